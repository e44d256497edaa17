"""Memory and traffic of real processes, and the arithmetic on samples."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from pilot.job import Memory, Traffic
from pilot.runtime.memory import Sample, Sampler, Summary
from pilot.runtime.processes import Process, Root, Tree

MB = 2**20
#: Takes 40 MB, shares them with two children, writes 2 MB, tells when it is ready and waits for the end of its input.
SHARING = f"""
import os, sys
held = bytearray(os.urandom(40 * {MB}))
children = []
for _ in range(2):
    pid = os.fork()
    if not pid:
        sys.stdin.read(); os._exit(0)
with open(sys.argv[1], "wb") as file:
    file.write(b"x" * 2 * {MB})
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def sharing(folder):
    argv = [sys.executable, "-I", "-S", "-c", SHARING, str(folder / "written")]
    parent = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert parent.stdout.readline() == b"ready\n"
        yield parent
    finally:
        parent.stdin.close()
        parent.wait(10)
        parent.stdout.close()


def test_what_processes_share_counts_once(tmp_path):
    with sharing(tmp_path) as parent:
        sampler = Sampler(Root(parent.pid, counted=True))
        found = sampler.sample()
    assert len(found.tree.processes) == 3
    assert found.memory.rss > 110 * MB
    assert 40 * MB < found.memory.pss < 80 * MB
    assert found.memory.vmem >= found.memory.rss
    assert found.traffic.wchar >= 2 * MB
    assert found.measured


def test_nothing_is_added_when_everything_has_ended(tmp_path):
    with sharing(tmp_path) as parent:
        sampler = Sampler(Root(parent.pid, counted=True))
        sampler.sample()
    before = sampler.summary
    assert sampler.sample().tree.processes == ()
    assert sampler.summary == before
    assert before.count == 1


def sampling(costs, clock, **more):
    """A sampler of this process; reading proportional sizes costs as given."""
    spent = iter(costs)
    return Sampler(
        Root(os.getpid(), counted=True), clock=lambda: clock[0], cost=lambda: next(spent), share=0.01, **more
    )


def test_proportional_sizes_are_read_when_their_cost_has_been_saved_up():
    clock = [0.0]
    sampler = sampling([0.0, 0.5, 1.0, 1.1], clock)
    assert sampler.sample().measured  # for 0.5 s, so the next one comes 50 s later
    clock[0] = 49.0
    between = sampler.sample()
    assert not between.measured
    assert 0 < between.memory.pss <= between.memory.rss
    clock[0] = 50.0
    assert sampler.sample().measured


def test_proportional_sizes_are_read_sooner_when_the_resident_one_passes_the_limit():
    clock = [0.0]
    sampler = sampling([0.0, 0.3, 0.3, 0.6], clock)
    sampler.sample()
    clock[0] = 11.0
    assert not sampler.sample(at_most=10**15).measured
    assert sampler.sample(at_most=1000.0).measured


def test_a_process_that_may_not_be_looked_into_counts_with_what_is_its_own(tmp_path):
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "stat").write_text("7 (x) R 3 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 100 81920 10 0\n")
    (folder / "statm").write_text("20 10 4 1 0 5 0\n")
    page = os.sysconf("SC_PAGE_SIZE")
    assert Sampler(Root(7, counted=True), proc=str(tmp_path)).sample().memory.pss == 6 * page


def test_a_process_that_grows_while_it_is_looked_at_is_not_taken_for_larger_than_it_is_ever_after(tmp_path):
    folder, page = tmp_path / "7", os.sysconf("SC_PAGE_SIZE")
    folder.mkdir()
    (folder / "stat").write_text("7 (x) R 3 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 100 81920 10 0\n")
    (folder / "smaps_rollup").write_text(f"Rss: 0 kB\nPss: {20 * page // 1000} kB\nSwap: 0 kB\n")
    sampler = Sampler(Root(7, counted=True), proc=str(tmp_path), share=1e-9)
    assert sampler.sample().memory.pss == 10 * page
    (folder / "stat").write_text("7 (x) R 3 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 100 81920 20 0\n")
    assert sampler.sample().memory.pss == 20 * page


def test_a_zombie_is_not_asked_for_its_memory(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (x) Z 3 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 100 0 0 0\n")
    assert Sampler(Root(7, counted=True), proc=str(tmp_path)).sample().memory == Memory()


def test_traffic_is_that_of_all_processes_and_the_network_counts_from_the_first_look(tmp_path):
    for pid in (7, 8):
        folder = tmp_path / str(pid)
        (folder / "net").mkdir(parents=True)
        parent = 3 if pid == 7 else 7
        (folder / "stat").write_text(f"{pid} (x) R {parent} 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 100 81920 10 0\n")
        (folder / "io").write_text("rchar: 10\nwchar: 20\nsyscr: 9\nread_bytes: 30\nwrite_bytes: 40\n")

    def network(received, sent):
        lines = ["Inter-|   Receive", " face |bytes", "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0"]
        lines += [f"  eth0: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0"]
        (tmp_path / "7/net/dev").write_text("\n".join(lines) + "\n")

    sampler = Sampler(Root(7, counted=True), proc=str(tmp_path))
    network(1000, 2000)
    assert sampler.sample().traffic == Traffic(20, 40, 60, 80, 0, 0)
    network(1500, 2100)
    assert sampler.sample().traffic == Traffic(20, 40, 60, 80, 500, 100)


def sample(wall, memory, cpu, count, rchar):
    processes = tuple(Process(n, 1, "R", 0.0, 0.0, 2, 0.0, 0, 0) for n in range(count))
    return Sample(1e9 + wall, wall, Tree(processes, cpu, 1.0), memory, Traffic(rchar=rchar))


def test_samples_come_to_peaks_means_and_totals():
    summary = (
        Summary()
        .add(sample(60, Memory(40, 10, 20, 0), 5.0, 1, 100))
        .add(sample(120, Memory(20, 30, 40, 4), 9.0, 3, 50))
    )
    usage = summary.usage()
    assert (usage.peak, usage.mean) == (Memory(40, 30, 40, 4), Memory(30, 20, 30, 2))
    assert (usage.wall_time, usage.cpu_time, usage.processes) == (120, 10.0, 3)
    assert usage.traffic.rchar == 100, "what was read does not become unread when a process ends"
    assert (summary.most_processes, summary.most_threads) == (3, 6)


def growing(count, slope=10.0):
    """Looks one a minute: memory is taken in the first five, and grows by ``slope`` bytes a second after that."""
    summary = Summary()
    for n in range(count):
        wall = 60 * n
        pss = 1000 * n if n < 5 else round(5000 + slope * wall)
        summary = summary.add(sample(wall, Memory(0, pss, pss, 100), 1.0, 1, 0))
    return summary.usage()


def test_how_fast_memory_grows_is_told_without_its_beginning():
    usage = growing(20)
    assert usage.growth_points == 15
    assert usage.growth == pytest.approx(10.0)
    assert usage.growth_from == pytest.approx(5100.0)
    assert usage.growth_scatter == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("count", "points"), [(12, 0), (13, 8)])
def test_few_looks_tell_of_no_growth(count, points):
    usage = growing(count)
    assert (usage.growth_points, usage.growth != 0) == (points, points > 0)


def test_without_a_sample_nothing_was_used():
    assert Summary().usage().peak == Memory()


@pytest.mark.parametrize("cpu", [9.0, 3.0])
def test_processor_time_never_goes_back(cpu):
    summary = Summary().add(sample(60, Memory(), 9.0, 1, 0)).add(sample(120, Memory(), cpu, 1, 0))
    assert summary.usage().cpu_time == 10.0
