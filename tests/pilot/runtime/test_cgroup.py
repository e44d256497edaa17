"""Finding, making, reading and removing cgroups: texts as kernels write them, and real groups where there are any."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pilot.runtime import cgroup
from pilot.runtime.cgroup import Groups, MemoryUse

HYBRID = "9:name=systemd:/\n4:memory:/slot/1\n2:cpuacct,cpu:/slot\n0::/\n"
HYBRID_MOUNTS = (
    "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
    "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
    "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct 0 0\n"
    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
)
UNIFIED = "0::/user.slice/condor/slot1_1\n"
UNIFIED_MOUNTS = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"


def test_the_own_groups_of_both_versions_are_found():
    found = cgroup.own_folders(HYBRID, HYBRID_MOUNTS)
    assert found["memory"] == "/sys/fs/cgroup/memory/slot/1"
    assert found["cpu"] == found["cpuacct"] == "/sys/fs/cgroup/cpu/slot"
    assert found[""] == "/sys/fs/cgroup/unified"


def test_where_there_is_only_version_2_it_is_found():
    assert cgroup.own_folders(UNIFIED, UNIFIED_MOUNTS) == {"": "/sys/fs/cgroup/user.slice/condor/slot1_1"}


def test_where_nothing_is_mounted_nothing_is_found():
    assert cgroup.own_folders(UNIFIED, "proc /proc proc rw 0 0\n") == {}


@pytest.mark.parametrize(
    ("version", "texts", "use"),
    [
        (1, ["oom_kill_disable 0 under_oom 0 oom_kill 3", "67108864 "], MemoryUse(67108864, 3)),
        (1, ["oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", "4096\n"], MemoryUse(4096, 0)),
        (1, ["oom_kill_disable 0\nunder_oom 0\n", ""], MemoryUse(0, 0)),  # before Linux 4.13
        (2, ["low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 1\n", "1048576\n"], MemoryUse(1048576, 1)),
        (2, ["", ""], MemoryUse(0, 0)),
        (0, [], MemoryUse(0, 0)),
    ],
)
def test_what_kernels_count_is_read(version, texts, use):
    files = Groups(memory="/m", memory_version=version).accounts
    assert cgroup.use(files, texts) == use


def test_groups_that_may_be_entered_later_are_those_that_are_not_entered_early():
    groups = Groups(tracking="/t", memory="/m", processes="/t", early=("/m",))
    assert (groups.all, groups.late) == (("/t", "/m"), ("/t",))


@pytest.fixture
def unified():
    """A real group of version 2 to play in."""
    own = cgroup.here().get("", "")
    folder = Path(own or "/nowhere", f"test-{os.getpid()}")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("not tested: no cgroup of version 2 can be made here")
    yield folder
    cgroup.remove([str(folder)])
    assert not folder.exists()


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def test_members_are_found_in_groups_below_too(unified, sleeper):
    (unified / "below").mkdir()
    (unified / "below" / "cgroup.procs").write_text(str(sleeper))
    assert cgroup.members([str(unified)]) == {sleeper}
    (unified.parent / "cgroup.procs").write_text(str(sleeper))


def test_a_group_in_which_something_runs_is_not_removed(unified, sleeper):
    (unified / "cgroup.procs").write_text(str(sleeper))
    cgroup.remove([str(unified)])
    assert unified.exists()
    (unified.parent / "cgroup.procs").write_text(str(sleeper))


def test_a_pilot_steps_aside_when_it_has_to_hand_out_controllers(unified, sleeper):
    """The kernel refuses controllers to the children of a group that holds processes, so these move one level down."""
    there = cgroup.controllers(str(unified.parent))
    if not there:
        pytest.skip("not tested: version 2 has no controller here")
    (unified.parent / "cgroup.subtree_control").write_text(f"+{there[0]}")
    (unified / "cgroup.procs").write_text(str(sleeper))
    assert cgroup.hand_out(str(unified), (there[0], "no-such-controller"))
    assert cgroup.members([str(unified / cgroup.LEAF)]) == {sleeper}
    (unified / "payload").mkdir()
    assert there[0] in cgroup.controllers(str(unified / "payload"))
    (unified.parent / "cgroup.procs").write_text(str(sleeper))


def test_without_the_controllers_wanted_nothing_moves(unified, sleeper):
    (unified / "cgroup.procs").write_text(str(sleeper))
    assert not cgroup.hand_out(str(unified), ("no-such-controller",))
    assert cgroup.members([str(unified)]) == {sleeper}
    assert not (unified / cgroup.LEAF).exists()
    (unified.parent / "cgroup.procs").write_text(str(sleeper))


def test_a_limit_of_version_2_is_hard_counts_no_swap_and_ends_the_whole_payload(tmp_path):
    """In a plain folder: what would be written where the controller is handed out."""
    cgroup._limit_memory(str(tmp_path), 2, 10**9)
    said = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert said == {"memory.max": "1000000000", "memory.swap.max": "0", "memory.oom.group": "1"}


def test_where_no_group_can_be_made_it_is_said_why():
    groups = cgroup._with_memory(Groups(), {"memory": "/nowhere"}, "/x", (), 10**9)
    assert (groups.memory, groups.why) == ("", "/nowhere: No such file or directory")
    assert cgroup._with_memory(Groups(), {}, "/x", (), 10**9).why == "there is no memory controller"
    assert cgroup._with_processes(Groups(), {"pids": "/nowhere"}, "/x", 10) == Groups()


@pytest.mark.parametrize("unseen", [[], [0]])
def test_what_a_dead_keeper_and_its_pilot_left_is_ended_unless_it_may_be_in_anothers_care(tmp_path, unseen):
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    group = tmp_path / f"compass-{ended.pid}"
    group.mkdir()
    with subprocess.Popen(["sleep", "60"]) as left:
        (group / "cgroup.procs").write_text("\n".join(map(str, [left.pid, *unseen])))
        cgroup.remove_stale(str(tmp_path))
        if unseen:  # by its number 0: it is in a PID namespace that we do not see into
            assert left.poll() is None
            left.kill()
        assert left.wait() == -9


@pytest.mark.parametrize("collected", [True, False])
def test_a_group_that_a_dead_keeper_left_is_removed_and_no_other(tmp_path, collected):
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | (0 if collected else os.WNOWAIT))
    for name in (f"compass-{ended.pid}", f"compass-{os.getpid()}", "compass-pilot", "another"):
        (tmp_path / name).mkdir()
    cgroup.remove_stale(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"compass-{os.getpid()}", "compass-pilot", "another"]
    )
    ended.wait()
