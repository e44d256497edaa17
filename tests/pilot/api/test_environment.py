"""What a node is, as a whole: on this machine, on a made one, and by the command that prints it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.api import environment
from pilot.api.environment import PARTS, Environment

ROOT = Path(__file__).parents[3]


def test_this_node_is_what_other_sources_say_it_is(tmp_path):
    import psutil

    found = Environment(tmp_path)
    assert found.cpu.usable == len(psutil.Process().cpu_affinity())
    assert found.cpu.logical == psutil.cpu_count()
    assert found.memory.total == psutil.virtual_memory().total
    assert found.disks[0].size == psutil.disk_usage(str(tmp_path)).total
    assert found.network.host == os.uname().nodename
    assert found.system.booted_at == pytest.approx(psutil.boot_time(), abs=2)
    assert found.repository("no.such.repository") == environment.Repository("no.such.repository", False)


def test_another_tree_can_be_described(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 4 kB\n")
    found = Environment(root=tmp_path, variables={"SLURM_JOB_ID": "5"})
    assert (found.memory.total, found.batch.system, found.gpus, found.cvmfs) == (4096, "slurm", (), ())


def test_nothing_is_read_before_it_is_asked_for_and_then_once(tmp_path):
    found = Environment(root=tmp_path, variables={})
    assert found.cpu.logical == 0
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor : 0\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal: 4 kB\n")
    assert (found.cpu.logical, found.memory.total) == (0, 4096)


def test_values_cannot_be_changed(tmp_path):
    found = Environment(tmp_path)
    for part in ("cpu", "memory", "cgroup", "container", "batch", "network", "system"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(getattr(found, part), dataclasses.fields(getattr(found, part))[0].name, None)


def test_a_folder_that_is_not_there_is_left_out(tmp_path):
    found = Environment(tmp_path / "none", variables={"TMPDIR": str(tmp_path)})
    assert [disk.folder for disk in found.disks] == [str(tmp_path)]


def told(*words):
    return subprocess.run(
        [sys.executable, "-m", "pilot", "environment", *words], capture_output=True, text=True, cwd=ROOT, timeout=60
    )


def test_the_command_prints_a_fact_a_line(tmp_path):
    done = told(str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(" = ", 1) for line in done.stdout.splitlines())
    assert lines["disks.0.folder"] == str(tmp_path)
    assert {name.split(".")[0] for name in lines} == set(PARTS)


def test_the_command_prints_json():
    done = told("--json")
    assert list(json.loads(done.stdout)) == list(PARTS)


def test_the_command_names_a_folder_that_is_not_there():
    done = told("nowhere")
    assert done.returncode == 93
    assert "nowhere is not a folder" in done.stderr
