from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.runtime import streams

ROOT = Path(__file__).parents[3]
FULL = Path("/dev/full")
TELL = "from pilot.runtime import streams; import sys; streams.ensure(); "


def run(script, **streams):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run([sys.executable, "-c", TELL + script], cwd=ROOT, env=environment, timeout=30, **streams)


def closing(*numbers):
    return lambda: [os.close(number) for number in numbers]


@pytest.mark.parametrize("numbers", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_no_file_takes_the_number_of_a_closed_stream(numbers, tmp_path):
    file = f"file = open({str(tmp_path / 'mine')!r}, 'w')"
    script = f"{file}; print('out'); streams.tell('err'); sys.exit(file.fileno() < 3)"
    assert run(script, preexec_fn=closing(*numbers)).returncode == 0
    assert (tmp_path / "mine").read_text() == ""


@pytest.mark.parametrize(
    ("encoding", "told"), [("ascii", b"m\\xfc\n"), ("latin-1", b"m\xfc\n"), ("utf-8", b"m\xc3\xbc\n")]
)
def test_a_name_that_the_encoding_does_not_have_can_be_printed(encoding, told):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    script = [sys.executable, "-c", TELL + "print('m\u00fc')"]
    done = subprocess.run(script, cwd=ROOT, env=environment, timeout=30, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, told, b"")


def test_children_inherit_the_stream_that_was_put_in_place():
    script = "import subprocess; sys.exit(subprocess.run(['sh', '-c', 'echo there >&1']).returncode)"
    assert run(script, preexec_fn=closing(1)).returncode == 0


@contextlib.contextmanager
def broken_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize("nobody", [broken_pipe, lambda: FULL.open("w")])
def test_a_line_that_nobody_can_read_does_no_harm(nobody):
    with nobody() as stream:
        assert run("streams.tell('one'); streams.tell('two')", stderr=stream).returncode == 0


def test_a_line_is_written_at_once():
    done = run("streams.tell('first'); import os; os._exit(3)", stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (3, b"first\n")


def test_the_last_line_ends_with_the_exit_status(capsys):
    assert streams.say("1 job finished", 3) == 3
    assert capsys.readouterr().err == "pilot: 1 job finished (exit status 3)\n"


def test_a_reader_that_has_gone_away_has_had_enough():
    with broken_pipe() as nobody:
        done = run("print('x'); streams.deliver()", stdout=nobody, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_finds_no_room_is_an_error_and_told_once():
    script = "print('x')\ntry:\n    streams.deliver()\nexcept OSError as wrong:\n    sys.exit(wrong.errno)"
    with FULL.open("w") as full:
        done = run("\n" + script, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (28, b"")
