from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import sys
import threading

import pytest

from pilot import life
from pilot.contract.codes import ErrorCode
from pilot.control.agent import Ending
from pilot.control.journal import Journal, Record
from pilot.errors import ConfigError
from pilot.job import Problem
from pilot.runtime import workdir
from pilot.settings import Queue, Server, Settings, load
from pilot.site.node import Node

DOWN = Problem(ErrorCode.COMMUNICATION_FAILURE, "nobody there")


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
    assert life.summary(ending) == words


def test_a_pilot_that_ends_before_it_begins_leaves_nothing_that_is_still_importing():
    told = "import threading\nfrom pilot import life\ntry:\n    life.run(['--version'])\nfinally:\n"
    told += "    print(len(threading.enumerate()))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "1"


def test_a_log_begins_with_where_it_is_and_in_which_time_it_is_written():
    here = Node("wn7", "EPYC", 2600.0, 64 * 10**9, 16)
    python = ".".join(map(str, sys.version_info[:3]))
    assert life.about("CERN", here) == (
        f"for queue CERN on wn7, 16 cores, 64000 MB, EPYC; Python {python}; the times here are UTC"
    )


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
        life.require(settings)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"job\.workdir: no folder can be made in"):
        life.make_folder(tmp_path / "file" / "below", contextlib.ExitStack())


@pytest.mark.parametrize(
    ("status", "keep", "left"), [(0, False, False), (82, False, False), (90, False, True), (0, True, True)]
)
def test_a_pilots_folder_stays_when_somebody_may_want_to_read_its_log(tmp_path, status, keep, left):
    own = life.make_folder(tmp_path, contextlib.ExitStack())
    (own / "journal").mkdir()
    (own / life.PILOT_LOG).write_text("words")
    life.leave(own, status, keep)
    assert (own / life.PILOT_LOG).exists() is left


def test_a_journal_with_something_in_it_always_stays(tmp_path):
    own = life.make_folder(tmp_path, contextlib.ExitStack())
    (own / "journal").mkdir()
    (own / "journal" / "1-1.json").write_text("{}")
    life.leave(own, 0, keep=False)
    assert (own / "journal" / "1-1.json").exists()


@pytest.mark.parametrize("name", ["journal/7-1.json.moving", "PanDA_Pilot-7-1/.compass-record.json"])
def test_a_job_that_is_on_its_way_to_another_folder_stays(tmp_path, name):
    own = life.make_folder(tmp_path, contextlib.ExitStack())
    (own / name).parent.mkdir()
    (own / name).write_text("{}")
    life.leave(own, 0, keep=False)
    assert (own / name).exists()


def test_jobs_that_are_left_go_to_the_folder_that_the_site_names(tmp_path):
    with contextlib.ExitStack() as held:
        (tmp_path / "node").mkdir()
        own = life.make_folder(tmp_path / "node", held)
        (own / "journal").mkdir()
        Journal(own / "journal").write(Record(7, 1, "server", "Q", "staging-out", 1e9))
        life.hand_over(own, str(tmp_path / "shared"), queue.SimpleQueue(), 1.0)
        (moved,) = (tmp_path / "shared").iterdir()
        assert [record.id for record in Journal(moved / "journal").records()] == [7]
        life.leave(own, 0, keep=False)
    assert list((tmp_path / "node").iterdir()) == []


def test_jobs_that_cannot_be_moved_stay_on_the_disk_and_that_is_told(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    own = life.make_folder(tmp_path, contextlib.ExitStack())
    (own / "journal").mkdir()
    Journal(own / "journal").write(Record(7, 1, "server", "Q", "staging-out", 1e9))
    life.hand_over(own, str(tmp_path / "file" / "below"), queue.SimpleQueue(), 1.0)
    assert "they stay on this disk" in caplog.text
    assert Journal(own / "journal").holds_jobs()


def test_a_start_in_a_folder_that_is_gone_is_told(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match="started in is gone; give another by -a"):
        life.base_of(load([]).settings)


def test_a_directory_that_the_server_wants_kept_stays(tmp_path):
    own = life.make_folder(tmp_path, contextlib.ExitStack())
    kept = own / "PanDA_Pilot-7-1"
    kept.mkdir()
    workdir.keep(workdir.Workdir(kept))
    life.leave(own, 0, keep=False)
    assert kept.exists()


def test_what_a_disk_holds_up_is_left_some_seconds_after_a_signal():
    told, held = queue.SimpleQueue(), threading.Event()
    told.put("a word that is no signal")
    told.put(int(signal.SIGTERM))
    assert life.in_time(held.wait, told, 0.01) is False
    held.set()


def test_a_signal_leaves_time_for_what_goes_on():
    told, held = queue.SimpleQueue(), threading.Event()
    told.put(int(signal.SIGTERM))
    threading.Timer(0.05, held.set).start()
    assert life.in_time(held.wait, told, 10.0) is True
    assert life.in_time(lambda: None, told, 0.0) is True
