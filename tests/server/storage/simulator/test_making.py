"""Making a simulated robot: its folder, its programs, and the command for it."""

from __future__ import annotations

import fcntl
import subprocess

import pytest

from server.storage.simulator.__main__ import main
from server.storage.simulator.making import configuration, make_robot
from server.storage.simulator.settings import Layout, RobotSettings
from server.storage.simulator.state import State


@pytest.fixture
def layout(tmp_path):
    return make_robot(tmp_path / "robot", RobotSettings(disk=str(tmp_path / "disk")))


def remote(layout, *words):
    done = subprocess.run([layout.remote, *words], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.splitlines()


def test_a_file_on_tape_is_described_as_xrootd_reads_it(layout):
    (layout.tapes / "a b").write_bytes(b"12345")
    status, line = remote(layout, "statx", "/a b")
    assert status == "0"
    kind, mode, links, *_, size, _, _ = line.split()
    assert (kind, mode, links, size) == ("f", "rw-r--r--", "1", "5")
    assert remote(layout, "exists", "/a b") == ["0"]


def test_what_is_not_on_tape_is_not_there(layout):
    assert remote(layout, "statx", "/gone") == ["-2"]
    assert remote(layout, "exists", "/gone") == ["-2"]
    assert remote(layout, "rm", "/gone") == ["0"]
    assert remote(layout, "mkdir", "/x") == ["-38"]


def test_a_file_is_removed_and_renamed_with_its_link_on_the_disk(layout, tmp_path):
    for name in ("a", "b"):
        (layout.tapes / name).write_bytes(b"x")
        (tmp_path / "disk" / name).symlink_to("/nowhere")
    assert remote(layout, "rm", "/a") == ["0"]
    assert remote(layout, "mv", "/b", "/new/c") == ["0"]
    assert [str(path.relative_to(layout.tapes)) for path in layout.tapes.rglob("*")] == ["new", "new/c"]
    assert (tmp_path / "disk/new/c").is_symlink()
    assert not (tmp_path / "disk/a").is_symlink()


def test_made_again_it_keeps_what_it_has(layout, tmp_path):
    (layout.tapes / "a").write_bytes(b"x")
    again = make_robot(tmp_path / "robot", RobotSettings(disk=str(tmp_path / "disk"), drives=7))
    assert again.read_settings().drives == 7
    assert (again.tapes / "a").exists()


def test_the_configuration_names_all_programs(layout):
    text = configuration(layout)
    assert all(str(path) in text for path in (layout.remote, layout.prepare, layout.bell))


def test_a_name_with_a_blank_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no path with a blank"):
        make_robot(tmp_path / "a robot", RobotSettings(disk=str(tmp_path / "disk")))


def test_a_name_that_is_too_long_for_a_socket_is_refused(tmp_path):
    with pytest.raises(ValueError, match="longer than 107 bytes"):
        make_robot(tmp_path / ("x" * 100), RobotSettings(disk=str(tmp_path / "disk")))


def test_the_command_makes_a_robot_and_takes_a_drive_out_of_service(tmp_path, capsys):
    main(["make", str(tmp_path / "r"), "--disk", str(tmp_path / "d"), "--mount", "1.5", "--drives", "3"])
    layout = Layout(tmp_path / "r")
    assert capsys.readouterr().out == configuration(layout)
    assert (layout.read_settings().mount, layout.read_settings().drives) == (1.5, 3)
    main(["drive", str(tmp_path / "r"), "1", "down"])
    state = State(layout.state)
    assert state.is_down(1)
    state.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--disk: missing"),
        (["--disk", "/a b"], "blank"),
        (["--disk", "d", "--drives", "0"], "drives: 0 is less than 1"),
        (["--disk", "d", "--rate", "0"], "rate: 0.0 is no number of bytes per second"),
        (["--disk", "d", "--unreadable", "3"], "unreadable: 3.0 is no share from 0 to 1"),
        (["--disk", "d", "--keep", "inf"], "keep: inf is no time in seconds"),
        (["--disk", "/proc/no"], "/proc/no"),
    ],
)
def test_the_command_says_what_it_misses(tmp_path, capsys, words, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [word.replace("/a b", str(tmp_path / "a b")) for word in words]
    with pytest.raises(SystemExit):
        main(["make", str(tmp_path / "r"), *words])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nothing"], "nothing: no robot's folder; the command `make` makes it one"),
        (["drive", "nothing", "0", "down"], "nothing: no robot's folder"),
        (["drive", "robot", "2", "down"], "number: there is no drive 2; there are 0 to 1"),
        (["run", "robot", "--master", str(2**22 + 1)], "--master: there is no process"),
    ],
)
def test_what_cannot_be_done_with_a_robot_is_told(layout, tmp_path, capsys, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(words)
    assert said in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


def test_settings_that_somebody_has_spoilt_are_told(layout, capsys):
    layout.settings.write_text('{"disk": ')
    with pytest.raises(SystemExit):
        main(["run", str(layout.folder)])
    assert "robot.json: Expecting" in capsys.readouterr().err


def test_a_folder_has_one_robot_at_a_time(layout, capsys):
    with layout.lock.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SystemExit):
            main(["run", str(layout.folder)])
    assert "its robot runs already" in capsys.readouterr().err


def test_the_disk_may_be_named_from_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["make", "r", "--disk", "d"])
    assert Layout(tmp_path / "r").read_settings().disk == str(tmp_path / "d")
