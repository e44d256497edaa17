"""What a drive of the simulated robot does next, and what the robot remembers of a disk and its tapes."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest

from server.storage.simulator.files import NOWHERE, Interrupted, copy, is_same, leave_on_tape
from server.storage.simulator.making import make_robot
from server.storage.simulator.robot import Move, Robot, choose
from server.storage.simulator.settings import RobotSettings


def move(path, cartridge, due):
    return Move(path, cartridge, False, due)


@pytest.mark.parametrize(
    ("mounted", "elsewhere", "chosen"),
    [
        (None, (), "old"),  # the longest due
        (2, (), "own"),  # but what is mounted saves a mount
        (None, (1,), "own"),  # what another drive holds is that one's
        (3, (1, 2), "new"),
        (None, (1, 2, 3), None),
    ],
)
def test_a_drive_takes_what_is_longest_due_of_its_own_cartridge_or_of_a_free_one(mounted, elsewhere, chosen):
    moves = [move("new", 3, 30.0), move("own", 2, 20.0), move("old", 1, 10.0)]
    found = choose(moves, mounted, frozenset(elsewhere))
    assert (found.path if found else None) == chosen


def test_where_there_is_nothing_to_do_a_drive_does_nothing():
    assert choose([], 1, frozenset()) is None


@pytest.fixture
def places(tmp_path):
    for name in ("disk", "tape", "passing"):
        (tmp_path / name).mkdir()
    (tmp_path / "disk/a").write_bytes(b"x" * 1000)
    return tmp_path


def test_a_copy_is_the_same_file_and_a_changed_one_is_not(places):
    copy(places / "disk/a", places / "tape/new/a", places / "passing", 1e9, threading.Event())
    assert is_same(places / "disk/a", places / "tape/new/a")
    (places / "disk/a").write_bytes(b"y" * 1000)
    assert not is_same(places / "disk/a", places / "tape/new/a")
    assert list((places / "passing").iterdir()) == []


def test_a_copy_that_is_interrupted_leaves_nothing(places):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        copy(places / "disk/a", places / "tape/a", places / "passing", 1.0, stop)
    assert list((places / "passing").iterdir()) == list((places / "tape").iterdir()) == []


def test_a_copy_takes_the_time_that_a_drive_needs(places):
    begun = time.monotonic()
    copy(places / "disk/a", places / "tape/a", places / "passing", 5000.0, threading.Event())
    assert time.monotonic() - begun >= 0.2


def test_only_what_the_tape_has_leaves_the_disk(places):
    assert not leave_on_tape(places / "disk/a", places / "tape/a", places / "passing")
    copy(places / "disk/a", places / "tape/a", places / "passing", 1e9, threading.Event())
    assert leave_on_tape(places / "disk/a", places / "tape/a", places / "passing")
    assert str((places / "disk/a").readlink()) == NOWHERE


def test_a_robot_ends_with_its_master(tmp_path):
    layout = make_robot(tmp_path / "robot", RobotSettings(disk=str(tmp_path / "disk")))
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as master:
        running = threading.Thread(target=Robot(layout, master.pid).run)
        running.start()
    running.join(10)
    assert not running.is_alive()


def test_a_robot_that_is_told_to_stop_comes_back_with_all_its_threads(tmp_path):
    layout = make_robot(tmp_path / "robot", RobotSettings(disk=str(tmp_path / "disk")))
    robot = Robot(layout)
    before = threading.active_count()
    running = threading.Thread(target=robot.run)
    running.start()
    deadline = time.monotonic() + 10
    while not layout.door.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    robot.stop()
    running.join(10)
    assert not running.is_alive()
    assert threading.active_count() == before
