from __future__ import annotations

import json
import os
import queue

import pytest

from pilot.api.communicator import Communicator
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.control.component import END, Budget
from pilot.control.journal import Journal, Record
from pilot.control.recovery import FOLDER, JOURNAL, Recovery, RecoveryLane, take_over_request
from pilot.control.reports import Facts
from pilot.runtime import workdir
from pilot.settings import Server
from tests.pilot.dispatcher import QUEUE, serving


@pytest.fixture
def dispatcher(tmp_path):
    with serving(tmp_path / "storage") as found:
        yield found


class Disk:
    """A disk on which a pilot has died."""

    def __init__(self, base, server):
        self.base, self.server = base, server
        self.own, self.dead = base / f"{FOLDER}own", base / f"{FOLDER}dead"
        for folder in (self.own, self.dead):
            (folder / JOURNAL).mkdir(parents=True)
        self.journal = Journal(self.dead / JOURNAL)
        self.recovery = Recovery(base, self.own, server, Facts("node"), lambda: 2e9)

    def write(self, **more):
        self.journal.write(
            Record(
                **{
                    "id": 7,
                    "attempt": 1,
                    "server": self.server.name,
                    "queue": QUEUE,
                    "phase": "running",
                    "started": 1e9,
                    "request_id": "r1",
                    **more,
                }
            )
        )


@pytest.fixture
def disk(tmp_path, dispatcher):
    return Disk(tmp_path / "base", Communicator(Server(url=dispatcher.url, connect_timeout=1.0, read_timeout=2.0)))


def test_a_disk_without_dead_pilots_needs_nothing(disk, dispatcher):
    assert disk.recovery.settle_all() == 0
    assert dispatcher.updates == []


def test_a_job_that_was_running_is_reported_lost_and_its_directory_removed(disk, dispatcher):
    disk.write(problem="NO_LOCAL_SPACE: full")
    workdir.create(disk.dead, JobSpec(id=7, attempt=1, transformation="x"))
    assert disk.recovery.settle_all() == 0
    (update,) = dispatcher.finals()
    assert (update["job_id"], update["attempt_nr"], update["pilot_error_code"]) == (7, 1, ErrorCode.PILOT_LOST)
    assert update["pilot_error_diag"] == "its pilot died while the job was running, after NO_LOCAL_SPACE: full"
    assert not disk.dead.exists()


def test_a_final_report_that_was_written_is_offered_word_by_word(disk, dispatcher):
    final = {"job_id": 7, "job_status": "finished", "attempt_nr": 1}
    disk.write(final=json.dumps(final))
    disk.recovery.settle_all()
    assert dispatcher.finals() == [final]


def test_what_the_server_does_not_take_stays_and_is_the_same_the_next_time(disk, dispatcher):
    disk.write()
    dispatcher.misbehave = lambda path, count: (500, b"") if count == 0 else None
    assert disk.recovery.settle_all() == 1
    text = next(disk.journal.records()).final
    assert disk.recovery.settle_all() == 0
    assert json.dumps(dispatcher.finals()[0]) == text


def test_what_the_server_refuses_is_not_offered_for_ever(disk, dispatcher):
    disk.write()
    dispatcher.misbehave = lambda path, count: (400, b"")
    assert disk.recovery.settle_all() == 0
    assert list(disk.journal.records()) == []


def test_a_pilot_that_lives_is_left_alone(disk, dispatcher):
    disk.write()
    with workdir.lock(disk.dead):
        assert disk.recovery.settle_all() == 0
    assert dispatcher.updates == []
    assert list(disk.journal.records())


def test_jobs_of_another_server_are_left_alone(disk, dispatcher):
    disk.write(server="http://elsewhere v1")
    assert disk.recovery.settle_all() == 0
    assert dispatcher.updates == []
    assert list(disk.journal.records())


def test_a_record_that_cannot_be_read_does_not_stop_the_others(disk, dispatcher):
    disk.write()
    (disk.journal.folder / "1-1.json").write_text("garbage")
    disk.recovery.settle_all()
    assert [update["job_id"] for update in dispatcher.finals()] == [7]
    assert (disk.journal.folder / "1-1.json").exists()


@pytest.mark.parametrize(("age", "left"), [(60, True), (2 * 86400, False)])
def test_a_request_is_left_to_a_pilot_of_its_queue_but_not_for_ever(disk, age, left):
    disk.journal.asked("r9", disk.server.name, "ANOTHER")
    os.utime(disk.journal.folder / "request.json", (2e9 - age, 2e9 - age))
    assert disk.recovery.settle_all() == 0
    assert (disk.journal.open_request(disk.server.name, "ANOTHER") == "r9") is left
    assert disk.dead.exists() is left


def test_the_log_of_a_dead_pilot_stays(disk):
    disk.write()
    (disk.dead / "pilotlog.txt").write_text("its last words")
    disk.recovery.settle_all()
    assert (disk.dead / "pilotlog.txt").exists()


def test_a_request_without_an_answer_is_taken_over_once(disk):
    disk.journal.asked("r9", disk.server.name, QUEUE)
    assert take_over_request(disk.base, disk.own, disk.server.name, QUEUE) == "r9"
    assert Journal(disk.own / JOURNAL).open_request(disk.server.name, QUEUE) == "r9"
    assert disk.journal.open_request(disk.server.name, QUEUE) is None
    third = disk.base / f"{FOLDER}third"
    with workdir.lock(disk.own):
        assert take_over_request(disk.base, third, disk.server.name, QUEUE) is None


def test_a_request_whose_jobs_are_known_is_not_taken_over(disk):
    disk.journal.asked("r1", disk.server.name, QUEUE)
    disk.write()
    assert take_over_request(disk.base, disk.own, disk.server.name, QUEUE) is None


def test_what_was_left_at_the_start_is_offered_again_at_the_end(disk, dispatcher):
    disk.write()
    dispatcher.misbehave = lambda path, count: (500, b"") if count == 0 else None
    inbox = queue.Queue()
    inbox.put(END)
    assert RecoveryLane(inbox, Budget(1), disk.recovery).run()
    assert len(dispatcher.finals()) == 1
