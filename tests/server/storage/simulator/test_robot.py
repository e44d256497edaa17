"""What a drive of the simulated robot does next, and what the robot remembers of a disk and its tapes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time

import pytest

from server.storage.simulator.door import LONGEST, lifetime_of
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


@pytest.fixture
def at_work(tmp_path):
    """A robot that runs in a thread; what it answers at its door is asked for by `knock`."""
    layout = make_robot(
        tmp_path / "robot", RobotSettings(disk=str(tmp_path / "disk"), mount=0.0, migrate_after=0.0, repair=0.05)
    )
    robot = Robot(layout)
    running = threading.Thread(target=robot.run)
    running.start()
    until(layout.door.exists)
    yield layout
    robot.stop()
    running.join(10)
    assert not running.is_alive()


def until(holds):
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def tell(layout, line):
    bell = os.open(layout.bell, os.O_WRONLY | os.O_NONBLOCK)
    os.write(bell, f"{line}\n".encode())
    os.close(bell)


def knock(layout, said):
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(10)
        until(lambda: door.connect_ex(str(layout.door)) == 0)
        door.sendall(said)
        door.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: door.recv(2**16), b""))


@pytest.mark.parametrize(
    "said",
    [b"", b"stage\n/a", b"--\nonly-a-number", b"\xff\n--\nr\nquery\n/a", *(b"--\nr\nstage\n/a?pin=" + pin for pin in
     (b"abc", b"nan", b"inf", b"1e300", b"-5"))],
)  # fmt: skip
def test_whatever_is_said_at_the_door_the_next_one_is_answered(at_work, said):
    (at_work.tapes / "a").write_bytes(b"x")
    knock(at_work, said)
    knock(at_work, b"--\nnext\nstage\n/a?pin=600")
    until(lambda: json.loads(knock(at_work, b"--\nnext\nquery\n/a"))["responses"][0]["online"])


@pytest.mark.parametrize(
    ("said", "meant"),
    [("pin=7", 7.0), ("", 5.0), ("pin=x", 5.0), ("pin=nan", 5.0), ("pin=-1", 0.0), ("pin=inf", LONGEST)],
)
def test_how_long_a_file_is_kept_is_always_a_time(said, meant):
    assert lifetime_of(said, 5.0) == meant


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("u.1@host closew /out/a b", "out/a b"),
        ("u.1@host closew /out/\u2028", "out/\u2028"),
        ("u.1@host mv /out/old one /out/the new", "out/the new"),
        ("u.1@host mv /out/old /out/new", "out/new"),
    ],
)
def test_what_is_written_under_any_name_goes_to_tape(at_work, tmp_path, line, name):
    (tmp_path / "disk/out").mkdir()
    (tmp_path / "disk" / name).write_bytes(b"x")
    tell(at_work, line)
    until((at_work.tapes / name).exists)


def test_a_file_that_gets_its_name_just_after_the_robot_was_told_goes_to_tape(at_work, tmp_path):
    (tmp_path / "disk/out").mkdir()
    tell(at_work, "u.1@host mv /out/aside /out/name")
    time.sleep(0.1)  # the robot has looked meanwhile
    (tmp_path / "disk/out/name").write_bytes(b"x")
    until((at_work.tapes / "out/name").exists)


def test_a_tape_that_cannot_be_written_to_is_tried_again(at_work, tmp_path):
    (at_work.tapes / "out").write_bytes(b"no folder")
    for name in ("a", "b", "c"):  # more than there are drives
        (tmp_path / "disk/out").mkdir(exist_ok=True)
        (tmp_path / "disk/out" / name).write_bytes(b"x")
        tell(at_work, f"u closew /out/{name}")
    time.sleep(0.2)  # it fails meanwhile
    (at_work.tapes / "out").unlink()
    until(lambda: len(list(at_work.tapes.rglob("*"))) == 4)
