from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pilot import cli
from pilot.contract.codes import ErrorCode
from pilot.control.agent import Ending
from pilot.control.journal import Journal, Record
from pilot.errors import ConfigError
from pilot.job import Problem
from pilot.runtime import workdir
from pilot.settings import Queue, Server, Settings, load

ROOT = Path(__file__).parents[2]
DOWN = Problem(ErrorCode.COMMUNICATION_FAILURE, "nobody there")


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


def test_a_reader_who_has_enough_gets_no_complaint():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "pilot", "settings"], stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_who_has_enough_of_a_check_gets_no_complaint_either(unbuffered, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "pilot", "check"]
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    os.close(writing)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending(1, ()), "1 job finished"),
        (Ending(2, ()), "2 jobs finished"),
        (Ending(0, (), signal.SIGTERM), "ended by SIGTERM, 0 jobs finished"),
        (
            Ending(0, (DOWN, DOWN)),
            f"0 jobs finished, COMMUNICATION_FAILURE (1318): nobody there; {DOWN.code.advice}",
        ),
    ],
)
def test_the_end_is_told_in_words(ending, words):
    assert cli.summary(ending) == words


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(), "server.url is not set; give --url"),
        (Settings(server=Server(url="x")), "queue.name is not set; give -q"),
        (
            Settings(server=Server(url="x", authorities="/missing"), queue=Queue(name="Q")),
            "server.authorities: /missing",
        ),
    ],
)
def test_what_only_the_admin_can_know_is_asked_for(settings, words):
    with pytest.raises(ConfigError, match=words):
        cli.require(settings)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"job\.workdir: no folder can be made in"):
        cli.make_folder(tmp_path / "file" / "below", contextlib.ExitStack())


@pytest.mark.parametrize(
    ("status", "keep", "left"), [(0, False, False), (82, False, False), (90, False, True), (0, True, True)]
)
def test_a_pilots_folder_stays_when_somebody_may_want_to_read_its_log(tmp_path, status, keep, left):
    own = cli.make_folder(tmp_path, contextlib.ExitStack())
    (own / "journal").mkdir()
    (own / cli.PILOT_LOG).write_text("words")
    cli.leave(own, status, keep)
    assert (own / cli.PILOT_LOG).exists() is left


def test_a_journal_with_something_in_it_always_stays(tmp_path):
    own = cli.make_folder(tmp_path, contextlib.ExitStack())
    (own / "journal").mkdir()
    (own / "journal" / "1-1.json").write_text("{}")
    cli.leave(own, 0, keep=False)
    assert (own / "journal" / "1-1.json").exists()


@pytest.mark.parametrize("name", ["journal/7-1.json.moving", "PanDA_Pilot-7-1/.compass-record.json"])
def test_a_job_that_is_on_its_way_to_another_folder_stays(tmp_path, name):
    own = cli.make_folder(tmp_path, contextlib.ExitStack())
    (own / name).parent.mkdir()
    (own / name).write_text("{}")
    cli.leave(own, 0, keep=False)
    assert (own / name).exists()


def test_jobs_that_are_left_go_to_the_folder_that_the_site_names(tmp_path):
    with contextlib.ExitStack() as held:
        (tmp_path / "node").mkdir()
        own = cli.make_folder(tmp_path / "node", held)
        (own / "journal").mkdir()
        Journal(own / "journal").write(Record(7, 1, "server", "Q", "staging-out", 1e9))
        cli.hand_over(own, str(tmp_path / "shared"), queue.SimpleQueue(), 1.0)
        (moved,) = (tmp_path / "shared").iterdir()
        assert [record.id for record in Journal(moved / "journal").records()] == [7]
        cli.leave(own, 0, keep=False)
    assert list((tmp_path / "node").iterdir()) == []


def test_jobs_that_cannot_be_moved_stay_on_the_disk_and_that_is_told(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    own = cli.make_folder(tmp_path, contextlib.ExitStack())
    (own / "journal").mkdir()
    Journal(own / "journal").write(Record(7, 1, "server", "Q", "staging-out", 1e9))
    cli.hand_over(own, str(tmp_path / "file" / "below"), queue.SimpleQueue(), 1.0)
    assert "they stay on this disk" in caplog.text
    assert Journal(own / "journal").holds_jobs()


def test_a_start_in_a_folder_that_is_gone_is_told(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match="started in is gone; give another by -a"):
        cli.base_of(load([]).settings)


def test_a_disk_that_takes_nothing_is_told_in_one_line(tmp_path):
    words = [sys.executable, "-m", "pilot", "-q", "X", "--url", "http://127.0.0.1:9", "-a", str(tmp_path)]
    limited = ["/bin/sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *words]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=30, cwd=ROOT)
    (line,) = done.stderr.splitlines()
    assert "JOURNAL_UNUSABLE" in line
    assert "File too large" in line
    assert done.returncode == 65


def test_a_directory_that_the_server_wants_kept_stays(tmp_path):
    own = cli.make_folder(tmp_path, contextlib.ExitStack())
    kept = own / "PanDA_Pilot-7-1"
    kept.mkdir()
    workdir.keep(workdir.Workdir(kept))
    cli.leave(own, 0, keep=False)
    assert kept.exists()


def test_what_a_disk_holds_up_is_left_some_seconds_after_a_signal():
    told, held = queue.SimpleQueue(), threading.Event()
    told.put("a word that is no signal")
    told.put(int(signal.SIGTERM))
    assert cli.in_time(held.wait, told, 0.01) is False
    held.set()


def test_a_signal_leaves_time_for_what_goes_on():
    told, held = queue.SimpleQueue(), threading.Event()
    told.put(int(signal.SIGTERM))
    threading.Timer(0.05, held.set).start()
    assert cli.in_time(held.wait, told, 10.0) is True
    assert cli.in_time(lambda: None, told, 0.0) is True
