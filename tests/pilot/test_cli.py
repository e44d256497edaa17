from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pilot import cli

ROOT = Path(__file__).parents[2]


def test_settings_prints_each_value_with_its_origin(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("compass-pilot.yaml").write_text("monitor: {heartbeat: 5}")
    assert cli.main(["settings", "-q", "Q"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "queue.name = 'Q'  # command line" in lines
    assert "monitor.heartbeat = 5.0  # compass-pilot.yaml" in lines
    assert "server.port = 25443  # default" in lines


def test_settings_does_not_show_a_token(capsys, monkeypatch):
    monkeypatch.setenv("COMPASS_PILOT_TOKEN", "tok-secret")
    cli.main(["settings"])
    assert "tok-secret" not in capsys.readouterr().out


def test_a_file_is_checked_without_starting_anything(capsys, tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text("monitor: {heartbeat: 5}")
    assert cli.main(["settings", "--check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: fine\n"
    path.write_text("monitor: {heartbeet: 5}")
    assert cli.main(["settings", "--check", str(path)]) == 93
    assert "did you mean heartbeat?" in capsys.readouterr().err


def test_a_check_without_a_file_is_a_slip(capsys):
    assert cli.main(["settings", "--check"]) == 93
    assert "takes one file" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["settings", "environment"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_who_has_enough_gets_no_complaint(unbuffered, command):
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    argv = [sys.executable, "-m", "pilot", command]
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    os.close(writing)
    assert done.returncode in (0, 128 + signal.SIGPIPE)  # what fits into the buffer is written at the very end
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["settings", "environment"])
def test_a_command_leaves_what_a_signal_does_to_its_process_as_it_was(command):
    """Where a broken pipe ends the process, so does each connection that somebody else has cut."""
    before = signal.getsignal(signal.SIGPIPE)
    assert cli.main([command]) == 0
    assert signal.getsignal(signal.SIGPIPE) is before


@pytest.mark.parametrize(
    ("command", "option"),
    [("settings", "--check"), ("check", "--json"), ("environment", "--json"), ("test", "--jobs"), ("replay", "--dry")],
)
def test_each_further_command_has_a_help_of_its_own(command, option, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: pilot {command}" in (told := capsys.readouterr().out)
    assert option in told


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_who_has_enough_of_a_check_gets_no_complaint_either(unbuffered, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "pilot", "check"]
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    os.close(writing)
    assert done.stderr == ""


def test_a_disk_that_takes_nothing_is_told_in_one_line(tmp_path):
    words = [sys.executable, "-m", "pilot", "-q", "X", "--url", "http://127.0.0.1:9", "-a", str(tmp_path)]
    limited = ["/bin/sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *words]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=30, cwd=ROOT)
    (line,) = done.stderr.splitlines()
    assert "JOURNAL_UNUSABLE" in line
    assert "File too large" in line
    assert done.returncode == 65
