"""Connections that steps share: by a program in the place of ``ssh`` that runs here what a host would run."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from pilot.copytool import ssh_shared
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind
from pilot.copytool.ssh_shared import Connections
from tests.kits.copytool import Doing, until

#: Runs its last word, as a host does.
HOST = 'for last; do :; done; exec /bin/sh -c "$last"'


@pytest.fixture
def connections():
    found = Connections()
    yield found
    found.close()


@pytest.fixture
def ssh(tmp_path):
    def write(text):
        path = tmp_path / "ssh"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return [str(path)]

    return write


def to(connections, ssh, login="me@host", kept=30.0, seconds=30.0, cancel=None):
    return connections.to(login, ssh, kept, Deadline(seconds), Cancel() if cancel is None else cancel)


def test_steps_to_one_host_share_a_connection(connections, ssh):
    words = ssh(f"echo a greeting\n{HOST}")
    with to(connections, words) as first, to(connections, words) as second, to(connections, words, "you@host") as other:
        assert second is first
        assert other is not first
        assert first.options == ["-o", f"ControlPath={first.folder}/s"]
        assert Path(first.folder).stat().st_mode & 0o777 == 0o700


def test_nobody_waits_for_a_connection_that_somebody_else_makes(connections, ssh, tmp_path):
    words = ssh(f"echo >{tmp_path}/begun\nread -r go <{tmp_path}/go\n{HOST}")
    subprocess.run(["mkfifo", tmp_path / "go"], check=True)
    found = []

    def connect():
        with to(connections, words) as made:
            found.append(made)

    making = Doing(connect)
    until((tmp_path / "begun").exists)
    with to(connections, words) as meanwhile:
        assert meanwhile is None
    (tmp_path / "go").write_text("go\n")
    making.end()
    with to(connections, words) as after:
        assert [after] == found != [None]


def test_a_connection_that_nobody_uses_ends_with_its_folder(connections, ssh):
    with to(connections, ssh(HOST), kept=0.05) as first:
        assert first.process.poll() is None
    first.process.wait(30)
    until(lambda: not Path(first.folder).exists())
    with to(connections, ssh(HOST), kept=0.05) as second:
        assert second is not first


def test_one_that_is_used_stays(connections, ssh):
    words = ssh(HOST)
    with to(connections, words, kept=0.05) as first, pytest.raises(subprocess.TimeoutExpired):
        first.process.wait(0.3)


def test_one_that_its_host_has_ended_is_made_anew(connections, ssh):
    words = ssh(HOST)
    with to(connections, words) as first:
        pass
    first.process.stdin.close()
    first.process.wait(30)
    with to(connections, words) as second:
        assert second.process.poll() is None


def test_one_that_was_dropped_is_made_anew(connections, ssh):
    words = ssh(HOST)
    with to(connections, words) as first:
        connections.drop(first)
    assert first.process.returncode == -signal.SIGKILL
    assert not Path(first.folder).exists()
    with to(connections, words) as second:
        assert second.process.poll() is None


def test_a_host_that_shares_nothing_is_spoken_to_by_each_step(connections, ssh):
    with to(connections, ssh("echo 'no commands here'")) as none:
        assert none is None


def test_a_folder_whose_name_is_too_long_for_a_socket_is_not_taken(connections, ssh, tmp_path, monkeypatch):
    long = tmp_path / ("x" * ssh_shared.LONGEST)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with to(connections, ssh(HOST)) as none:
        assert none is None
    assert list(long.iterdir()) == []


@pytest.mark.parametrize("name", ["two words", "100%", "$HOME", '"'])
def test_a_folder_whose_name_ssh_would_read_otherwise_is_not_taken(connections, ssh, tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
    monkeypatch.setattr(ssh_shared, "LONGEST", 1000)
    with to(connections, ssh(HOST)) as none:
        assert none is None
    assert list((tmp_path / name).iterdir()) == []


def test_why_there_is_no_connection_is_told(connections, ssh):
    words = ssh("echo 'ssh: connect to host h port 22: Connection refused' >&2; exit 255")
    with pytest.raises(CopyFailed, match="refused") as caught, to(connections, words):
        pass
    assert caught.value.kind is FailureKind.UNREACHABLE


def test_a_program_that_is_not_there_is_told(connections, tmp_path):
    with to(connections, [str(tmp_path / "gone")]) as none:  # the step itself will say so
        assert none is None


def test_a_host_that_says_nothing_costs_the_time_there_is(connections, ssh):
    words = ssh("exec sleep 1000")
    with pytest.raises(CopyFailed) as caught, to(connections, words, seconds=0.2):
        pass
    assert caught.value.kind is FailureKind.TIMEOUT


def test_making_one_is_given_up(connections, ssh, tmp_path):
    words, cancel = ssh(f"echo >{tmp_path}/begun; exec sleep 1000"), Cancel()

    def connect():
        with ExitStack() as stack:
            stack.enter_context(to(connections, words, cancel=cancel))

    making = Doing(connect)
    until((tmp_path / "begun").exists)
    cancel.ask()
    assert isinstance(making.end(), CopyCancelled)


KILLED = """
import sys
from pilot.copytool.base import Cancel, Deadline
from pilot.copytool.ssh_shared import Connections
with Connections().to("me@host", [sys.argv[1]], 1000.0, Deadline(30), Cancel()) as found:
    print(found.folder, flush=True)
    sys.stdin.read()
"""


def test_it_ends_with_a_pilot_that_is_killed(ssh):
    words = [sys.executable, "-c", KILLED, *ssh(HOST)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as pilot:
        folder = Path(pilot.stdout.readline().strip())
        assert folder.is_dir()
        pilot.kill()
    until(lambda: not folder.exists())
