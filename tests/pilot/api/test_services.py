"""The public services, on real processes; the program of their page is run as a reader would run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pilot.api.services import Benchmark, BenchmarkUnavailable, MemoryMonitor, NoSuchProcess, benchmark

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "doc" / "howto" / "measure-processes-and-cores.md").read_text()
MB = 2**20
HOLDING = f"import os, sys; held = bytearray(os.urandom(30 * {MB})); print('ready', flush=True); sys.stdin.read()"


@pytest.fixture
def holding():
    """A process that holds 30 MB until its input ends."""
    argv = [sys.executable, "-I", "-S", "-c", HOLDING]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process


def test_the_program_of_the_page_measures_what_it_says(tmp_path):
    program = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    expected = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1]
    argv = [sys.executable, "-c", program]
    done = subprocess.run(
        argv, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=30
    )
    assert (re.sub(r"largest: [56]\d MB", "largest: 57 MB", done.stdout), done.stderr) == (expected, "")


def test_a_process_is_measured_once(holding):
    monitor = MemoryMonitor(holding.pid)
    found = monitor.sample()
    assert [one.pid for one in found.tree.processes] == [holding.pid]
    assert 30 * MB < found.memory.pss < 60 * MB
    assert monitor.summary()["Max"]["pss"] == found.memory.pss // 1024


def test_samples_are_taken_until_the_process_has_ended_and_its_end_is_seen_at_once(holding, tmp_path):
    threading.Timer(0.3, holding.stdin.close).start()
    began = time.monotonic()
    summary = MemoryMonitor(holding.pid, folder=tmp_path).run(every=90.0)
    assert time.monotonic() - began < 60
    assert summary["Max"]["nprocs"] == 1
    assert len((tmp_path / "memory_monitor_output.txt").read_text().splitlines()) == 2


def test_sampling_ends_at_the_time_that_is_given(holding):
    summary = MemoryMonitor(holding.pid).run(time.monotonic() + 0.25, every=0.1)
    assert summary["Max"]["rss"] > 30 * 1024
    assert holding.poll() is None


def test_a_process_that_is_not_there_cannot_be_measured():
    with pytest.raises(NoSuchProcess, match="there is no process 4194305"):
        MemoryMonitor(2**22 + 1)


@pytest.mark.parametrize("told", [True, False])
def test_sampling_ends_with_a_process_that_nobody_has_collected_yet_also_on_an_old_kernel(monkeypatch, told):
    if not told:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    child = subprocess.Popen(["sleep", "0.1"])
    began = time.monotonic()
    MemoryMonitor(child.pid).run(began + 90.0, every=0.2)
    assert time.monotonic() - began < 60.0
    child.wait()


def test_another_process_that_was_given_the_number_is_not_measured(holding, tmp_path):
    monitor = MemoryMonitor(holding.pid, folder=tmp_path)
    monitor._started -= 1.0
    assert monitor.sample().tree.processes == ()
    assert monitor.summary()["Max"] == {}
    assert list(tmp_path.iterdir()) == []


def test_without_a_sample_the_summary_is_empty(holding):
    assert MemoryMonitor(holding.pid).summary()["Max"] == {}


def test_a_nodes_power_is_that_of_its_copies_together():
    found = benchmark(4, run=lambda copies: [10.0, 12.0, 14.0, 16.0][:copies])
    assert found == Benchmark(power=13.0, total=52.0, copies=4, unit="DB12")


def test_a_benchmark_that_measured_nothing_is_no_figure():
    with pytest.raises(BenchmarkUnavailable, match="measured 1 of 2 copies"):
        benchmark(2, run=lambda copies: [10.0, 0.0])
    with pytest.raises(ValueError, match="copies: 0"):
        benchmark(0)


def test_a_missing_library_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "db12", None)  # so that its import fails, wherever it is installed
    with pytest.raises(BenchmarkUnavailable, match=re.escape("pip install 'compass-pilot[services]'")):
        benchmark()


@pytest.mark.campaign
def test_db12_tells_the_power_of_this_machines_cores():
    pytest.importorskip("db12", reason="not tested: DB12 is not installed")
    assert 1 < benchmark().power < 1000
