"""Trees of real processes, read from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from pilot.runtime import processes
from pilot.runtime.processes import Process, Root, Tree, describe, members, read, tree
from tests.pilot.runtime.test_process import wait_until

#: A parent with two children, one of which has one of its own; all wait until they are killed.
FAMILY = "sleep 60 & (sleep 60 & sleep 60; true) & echo begun; wait"


@contextmanager
def family(text=FAMILY):
    parent = subprocess.Popen(["/bin/sh", "-c", text], stdout=subprocess.PIPE, start_new_session=True)
    try:
        parent.stdout.readline()
        yield parent
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
        parent.stdout.close()


def settled(parent):
    """Wait until all of a family have begun; a shell that starts a program has two states in between."""
    wait_until(lambda: [one.state for one in tree(Root(parent.pid)).processes] == ["S"] * 4)


def test_a_tree_is_found_by_who_started_whom():
    with family() as parent:
        settled(parent)
        found = tree(Root(parent.pid))
        counted = tree(Root(parent.pid, counted=True))
    assert parent.pid not in {one.pid for one in found.processes}
    assert {one.pid for one in counted.processes} == {parent.pid, *(one.pid for one in found.processes)}
    assert all(one.rss > 0 and one.vmem >= one.rss and one.threads == 1 for one in found.processes)
    assert found.rss == sum(one.rss for one in found.processes)
    assert 0 <= found.age < 60


def test_processor_time_of_what_has_ended_and_was_collected_counts():
    burn = f"{sys.executable} -I -S -c 'sum(range(4_000_000))'; echo begun; sleep 60"
    with family(burn) as parent:
        found = tree(Root(parent.pid, counted=True))
    assert found.cpu_time >= 0.02


def test_a_zombie_is_one_and_has_no_memory():
    child = subprocess.Popen(["true"])
    wait_until(lambda: read(child.pid).state == "Z")
    found = [one for one in tree(Root(os.getpid())).processes if one.pid == child.pid]
    assert (Tree(tuple(found)).zombies, found[0].rss) == (1, 0)
    child.wait()
    assert read(child.pid) is None


def test_a_tree_is_stopped_when_everything_that_lives_in_it_is():
    with family() as parent:
        settled(parent)
        assert not tree(Root(parent.pid)).stopped
        os.killpg(parent.pid, signal.SIGSTOP)
        wait_until(lambda: tree(Root(parent.pid, counted=True)).stopped)
    assert not Tree().stopped


def test_what_is_gone_has_no_tree():
    child = subprocess.Popen(["true"])
    child.wait()
    assert tree(Root(child.pid)) == Tree()


def test_a_cgroup_says_who_belongs_to_it_and_to_those_below(tmp_path):
    below = tmp_path / "container"
    below.mkdir()
    with family("echo begun; sleep 60") as parent:
        (tmp_path / "cgroup.procs").write_text(f"{parent.pid}\n")
        (below / "cgroup.procs").write_text(f"{os.getpid()}\n")
        assert set(members(str(tmp_path))) == {parent.pid, os.getpid()}
        nobody = 2**22 + 1  # no process has this number
        assert {one.pid for one in tree(Root(nobody, str(tmp_path))).processes} == {parent.pid, os.getpid()}


def test_zombies_and_what_has_left_the_cgroup_belong_to_the_tree_and_all_count_once(tmp_path):
    with family("sleep 60 & echo begun; exec sleep 60") as parent:
        wait_until(lambda: "cmdline: sleep 60" in describe(parent.pid))  # a shell might collect its child
        (child,) = tree(Root(parent.pid)).processes
        (tmp_path / "cgroup.procs").write_text(f"{parent.pid}\n")  # as the kernel writes it, without the zombie
        (tmp_path / "below").mkdir()
        (tmp_path / "below" / "cgroup.procs").write_text(f"{parent.pid}\n")  # moved while it was read
        os.kill(child.pid, signal.SIGKILL)
        wait_until(lambda: read(child.pid).state == "Z")
        found = tree(Root(parent.pid, str(tmp_path), counted=True))
    assert sorted(one.pid for one in found.processes) == sorted((parent.pid, child.pid))
    assert found.zombies == 1


def test_a_cgroup_that_nobody_has_entered_yet_hides_nothing(tmp_path):
    (tmp_path / "cgroup.procs").write_text("")
    with family("echo begun; exec sleep 60") as parent:
        pids = {one.pid for one in tree(Root(os.getpid(), str(tmp_path))).processes}
    assert parent.pid in pids


@pytest.mark.parametrize("name", ["a b", "x) S 1", ") ("])
def test_a_program_may_have_any_name(tmp_path, name):
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "stat").write_text(f"7 ({name}) R 3 7 7 0 -1 0 0 0 0 0 250 50 100 25 20 0 4 0 100 8192 2 0\n")
    ticks = processes.TICKS
    expected = Process(7, 3, "R", 350 / ticks, 75 / ticks, 4, 100 / ticks, 8192, 2 * processes.PAGE)
    assert read(7, str(tmp_path)) == expected


def test_a_process_that_ends_while_it_is_read_is_gone(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("")
    assert read(7, str(tmp_path)) is None
    assert read(8, str(tmp_path)) is None


def test_what_a_process_is_doing_can_be_told():
    with family("echo begun; exec sleep 60") as parent:
        wait_until(lambda: "sleep 60" in describe(parent.pid) and read(parent.pid).state == "S")
        words = describe(parent.pid)
    assert words.startswith(f"process {parent.pid}\n  cmdline: sleep 60\n  wchan: ")
    assert "State: S (sleeping)" in words
    assert "No such" in describe(2**22 + 1)
