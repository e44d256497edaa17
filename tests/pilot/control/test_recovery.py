from __future__ import annotations

import json
import os
import queue
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pilot.api.communicator import Communicator
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import to_panda
from pilot.contract.messages import StoredFile
from pilot.control.component import END, Budget
from pilot.control.journal import Journal, Record
from pilot.control.lifecycle import Event
from pilot.control.moving import INSIDE, PLACE, move_all
from pilot.control.news import Settled
from pilot.control.recovery import (
    FOLDER,
    JOURNAL,
    MOST_ADOPTED,
    Recovery,
    RecoveryLane,
    Sites,
    take_over_request,
)
from pilot.control.reports import Facts
from pilot.job import Problem
from pilot.runtime import workdir
from pilot.settings import Queue, Server
from pilot.settings.sections import Recovery as Policy
from tests.pilot.dispatcher import QUEUE, serving

SPEC = JobSpec(
    id=7,
    attempt=1,
    transformation="x",
    outputs=(FileSpec("out.txt", Role.OUTPUT, dataset="ds"), FileSpec("more.txt", Role.OUTPUT, dataset="ds")),
    log=FileSpec("job.log.tgz", Role.LOG, dataset="ds"),
)


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
            folder.chmod(0o700)
        self.journal = Journal(self.dead / JOURNAL)
        self.told = []

    def settle_all(self, own=None, now=2e9, **policy):
        """Settle as a site wants it: without logs, if nothing is said."""
        sites, wanted = Sites(self.server, Queue(name=QUEUE)), Policy(**{"logs": False, **policy})
        return Recovery(
            self.base, own or self.own, sites, Facts("node"), wanted, self.told.append, lambda: now
        ).settle_all()

    def write(self, **more):
        self.journal.write(
            Record(
                **{
                    "id": 7,
                    "attempt": 1,
                    "server": self.server.name,
                    "queue": QUEUE,
                    "phase": "running",
                    "started": 2e9 - 60,
                    "request_id": "r1",
                    **more,
                }
            )
        )


@pytest.fixture
def disk(tmp_path, dispatcher):
    return Disk(tmp_path / "base", Communicator(Server(url=dispatcher.url, connect_timeout=1.0, read_timeout=2.0)))


def test_a_disk_without_dead_pilots_needs_nothing(disk, dispatcher):
    assert disk.settle_all() == 0
    assert dispatcher.updates == []


def test_a_job_that_was_running_is_reported_lost_and_its_directory_removed(disk, dispatcher):
    disk.write(spec=json.dumps(to_panda(SPEC)))
    workdir.create(disk.dead, SPEC)
    assert disk.settle_all() == 0
    (update,) = dispatcher.finals()
    assert (update["job_id"], update["attempt_nr"], update["pilot_error_code"]) == (7, 1, ErrorCode.PILOT_LOST)
    assert update["pilot_error_diag"] == "its pilot died while the job was running"
    assert not disk.dead.exists()


def test_a_final_report_that_was_written_is_offered_word_by_word(disk, dispatcher):
    final = {"job_id": 7, "job_status": "finished", "attempt_nr": 1}
    disk.write(final=json.dumps(final))
    disk.settle_all()
    assert dispatcher.finals() == [final]


def test_what_the_server_does_not_take_stays_and_is_the_same_the_next_time(disk, dispatcher):
    disk.write()
    dispatcher.misbehave = lambda path, count: (500, b"") if count == 0 else None
    assert disk.settle_all() == 1
    text = next(disk.journal.records()).final
    assert disk.settle_all() == 0
    assert json.dumps(dispatcher.finals()[0]) == text


def test_what_the_server_refuses_is_not_offered_for_ever(disk, dispatcher):
    disk.write()
    dispatcher.misbehave = lambda path, count: (400, b"")
    assert disk.settle_all() == 0
    assert list(disk.journal.records()) == []


def test_a_pilot_that_lives_is_left_alone(disk, dispatcher):
    disk.write()
    with workdir.lock(disk.dead):
        assert disk.settle_all() == 0
    assert dispatcher.updates == []
    assert list(disk.journal.records())


def test_jobs_of_another_server_are_left_alone(disk, dispatcher):
    disk.write(server="http://elsewhere v1")
    assert disk.settle_all() == 0
    assert dispatcher.updates == []
    assert list(disk.journal.records())


def test_a_record_that_cannot_be_read_does_not_stop_the_others(disk, dispatcher):
    disk.write()
    (disk.journal.folder / "1-1.json").write_text("garbage")
    os.utime(disk.journal.folder / "1-1.json", (2e9, 2e9))
    disk.settle_all()
    assert [update["job_id"] for update in dispatcher.finals()] == [7]
    assert (disk.journal.folder / "1-1.json").exists()
    disk.settle_all(now=2e9 + 1e6)
    assert not disk.dead.exists()


@pytest.mark.parametrize(("age", "left"), [(60, True), (2 * 86400, False)])
def test_a_request_is_left_to_a_pilot_of_its_queue_but_not_for_ever(disk, age, left):
    disk.journal.asked("r9", disk.server.name, "ANOTHER")
    os.utime(disk.journal.folder / "request.json", (2e9 - age, 2e9 - age))
    assert disk.settle_all() == 0
    assert (disk.journal.open_request(disk.server.name, "ANOTHER") == "r9") is left
    assert disk.dead.exists() is left


def test_the_log_of_a_dead_pilot_stays(disk):
    disk.write()
    (disk.dead / "pilotlog.txt").write_text("its last words")
    os.utime(disk.dead / "pilotlog.txt", (2e9, 2e9))
    disk.settle_all()
    assert (disk.dead / "pilotlog.txt").exists()


@pytest.mark.parametrize(("age", "stays"), [(50, True), (200, False)])
def test_folders_of_pilots_that_failed_are_removed_when_their_logs_were_kept_long_enough(disk, age, stays):
    (disk.dead / "pilotlog.txt").write_text("its last words")
    os.utime(disk.dead / "pilotlog.txt", (2e9 - age, 2e9 - age))
    disk.settle_all(keep_logs=100)
    assert disk.dead.exists() is stays


def test_the_folder_of_a_pilot_that_lives_is_not_removed_however_old_its_log_is(disk):
    (disk.dead / "pilotlog.txt").write_text("a quiet one")
    with workdir.lock(disk.dead):
        disk.settle_all(keep_logs=0)
    assert disk.dead.exists()


def test_a_folder_that_a_pilot_died_over_while_it_made_it_is_removed_after_a_day(disk):
    for name, age in (("young", 60), ("old", 2 * 86400)):
        folder = disk.base / f".{FOLDER}{name}"
        folder.mkdir()
        os.utime(folder, (2e9 - age, 2e9 - age))
    disk.settle_all()
    assert [path.name for path in disk.base.glob(".*")] == [f".{FOLDER}young"]


# Taking jobs over

WELL = {"status": 0, "signal": None, "cpu_time": 5.0, "max_rss": 4096}
STORED = StoredFile("out.txt", 3, "adler32:00000001")


def left(disk, phase, **more):
    """Leave a job as a pilot that died in this phase would."""
    place = workdir.create(disk.dead, SPEC)
    (place.root / "out.txt").write_text("out")
    disk.write(phase=phase, spec=json.dumps(to_panda(SPEC)), **more)


def adopted(disk):
    (adopt,) = disk.told
    own = workdir.of(disk.own, SPEC).root
    assert (own / "out.txt").read_text() == "out"
    assert [record.key for record in Journal(disk.own / JOURNAL).records()] == [(7, 1)]
    assert not list(own.glob(".compass-*"))
    assert not disk.dead.exists()
    return adopt


def test_peer_defect_29_outputs_that_a_pilot_made_before_it_died_are_taken_over(disk, dispatcher):
    left(disk, "staging-out", outcome=WELL, metrics={"nEvents": 3}, stored=(STORED,), spent={"running": 9.0})
    assert disk.settle_all(logs=True) == 0
    adopt = adopted(disk)
    assert (adopt.event, adopt.problem, adopt.record.queue) == (Event.PAYLOAD_OK, None, QUEUE)
    assert (adopt.job.spec, adopt.job.stored, adopt.job.metrics) == (SPEC, (STORED,), {"nEvents": 3})
    assert (adopt.job.outcome.status, adopt.job.outcome.cpu_time) == (0, 5.0)
    assert adopt.job.outcome.workdir == workdir.of(disk.own, SPEC).root
    assert [update["job_status"] for update in dispatcher.updates] == ["running"]


def test_the_log_of_a_job_that_was_lost_is_stored_with_the_dead_pilots_words_in_it(disk, dispatcher):
    left(disk, "running")
    (disk.dead / "pilotlog.txt").write_text("its last words")
    disk.settle_all(logs=True, keep_logs=0)
    adopt = adopted(disk)
    assert (adopt.event, adopt.problem.code) == (Event.FAIL, ErrorCode.PILOT_LOST)
    assert (workdir.of(disk.own, SPEC).root / "pilotlog-dead.txt").read_text() == "its last words"
    assert dispatcher.finals() == []


def test_what_had_gone_wrong_before_the_pilot_died_is_what_the_job_failed_of(disk):
    left(disk, "stopping", problem=Problem(ErrorCode.REACHED_MAX_TIME, "too long"))
    disk.settle_all(logs=True)
    assert adopted(disk).problem == Problem(ErrorCode.REACHED_MAX_TIME, "too long")


def test_a_job_whose_log_is_stored_goes_on_at_its_report(disk):
    left(disk, "staging-log", outcome=WELL, stored=(STORED, StoredFile("job.log.tgz", 9, None)))
    disk.settle_all(logs=True)
    assert adopted(disk).event is Event.LOG_STORED


def test_a_site_may_have_the_outputs_dropped_and_the_job_reported_lost(disk, dispatcher):
    left(disk, "staging-out", outcome=WELL)
    disk.settle_all(outputs="drop")
    assert (disk.told, dispatcher.finals()[0]["pilot_error_code"]) == ([], ErrorCode.PILOT_LOST)
    assert dispatcher.finals()[0]["trans_exit_code"] == 0
    assert not disk.dead.exists()


def test_what_is_too_old_is_reported_lost_and_removed(disk, dispatcher):
    left(disk, "staging-out", outcome=WELL)
    disk.settle_all(logs=True, age_most=30)
    assert (disk.told, dispatcher.finals()[0]["pilot_error_code"]) == ([], ErrorCode.PILOT_LOST)
    assert not disk.dead.exists()


def test_a_job_that_the_server_has_given_to_somebody_else_ends_quietly_and_nothing_of_it_is_stored(disk, dispatcher):
    left(disk, "staging-out", outcome=WELL)
    dispatcher.commands[7] = "tobekilled"
    assert disk.settle_all(logs=True) == 0
    assert disk.told == []
    assert dispatcher.finals()[0]["pilot_error_code"] == ErrorCode.KILLED_BY_SERVER
    assert not disk.dead.exists()


def test_a_job_that_the_server_refuses_to_hear_of_is_cleaned_up_without_a_word(disk, dispatcher):
    left(disk, "staging-out", outcome=WELL)
    dispatcher.misbehave = lambda path, count: (400, b"no such job") if path.endswith("update_job") else None
    assert disk.settle_all(logs=True) == 0
    assert (disk.told, dispatcher.finals(), disk.dead.exists()) == ([], [], False)


@pytest.mark.parametrize("broken", ["update_job", "TEST.all.json", "ddmendpoints.json"])
def test_while_the_server_is_unwell_a_job_waits_where_it_lies(disk, dispatcher, broken):
    left(disk, "staging-out", outcome=WELL)
    dispatcher.misbehave = lambda path, count: (500, b"") if path.endswith(broken) else None
    assert disk.settle_all(logs=True) == 1
    assert disk.told == []
    dispatcher.misbehave = lambda path, count: None
    assert disk.settle_all(logs=True) == 0
    adopted(disk)


def test_a_server_that_cannot_be_reached_is_tried_once_for_all_jobs(tmp_path, dispatcher):
    said = []
    server = Communicator(
        Server(url=dispatcher.url, connect_timeout=1.0, read_timeout=2.0), lambda: said.append(1) or ""
    )
    disk = Disk(tmp_path / "base", server)
    for number in (7, 8, 9):
        disk.write(id=number)

    def close(path, count):
        raise ConnectionAbortedError

    dispatcher.misbehave = close
    assert disk.settle_all() > 0
    assert len(said) <= 2  # a kept connection is tried once more
    assert len(list(disk.journal.records())) == 3


def test_a_queue_that_nobody_knows_any_more_keeps_the_job_until_it_is_too_old(disk, dispatcher):
    left(disk, "staging-out", outcome=WELL, queue="ATLANTIS")
    assert disk.settle_all(logs=True) == 1
    assert disk.settle_all(logs=True, age_most=1) == 0
    assert (disk.told, len(dispatcher.finals())) == ([], 1)


def test_only_so_many_jobs_are_taken_over_at_a_time(disk):
    for number in range(1, MOST_ADOPTED + 3):
        disk.write(id=number, phase="staging-log", spec=json.dumps(to_panda(replace(SPEC, id=number, log=None))))
    assert disk.settle_all() == 2
    assert len(disk.told) == MOST_ADOPTED
    assert disk.settle_all() == 0


def test_jobs_in_the_external_folder_are_taken_over_too(disk, tmp_path):
    left(disk, "staging-out", outcome=WELL)
    shared = tmp_path / "shared"
    assert move_all(disk.dead, shared) == 1
    shutil.rmtree(disk.dead)
    disk.settle_all(logs=True, folder=str(shared))
    adopted(disk)
    assert list(shared.iterdir()) == []


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


def test_a_request_whose_jobs_are_known_is_forgotten_with_them(disk):
    disk.journal.asked("r1", disk.server.name, QUEUE)
    disk.write()
    disk.settle_all()
    assert not disk.dead.exists()
    assert take_over_request(disk.base, disk.own, disk.server.name, QUEUE) is None


def test_what_was_left_at_the_start_is_offered_again_at_the_end(disk, dispatcher):
    disk.write()
    dispatcher.misbehave = lambda path, count: (500, b"") if count == 0 else None
    told = []
    lane = RecoveryLane(queue.Queue(), Budget(1), told.append, SimpleNamespace(settle_all=disk.settle_all))
    for item in (Settled(), Settled(), END):
        lane.inbox.put(item)
    assert lane.run()
    assert len(dispatcher.finals()) == 1
    assert told == [Settled(1), Settled(0)]


# What others may have put there


def test_a_record_that_would_break_a_pilot_keeps_no_other_job_back(disk, dispatcher):
    disk.write()
    for number, more in ((1, {"outcome": [1]}), (2, {"spent": {"running": "long"}}), (3, {"started": 1e300})):
        disk.write(id=number, **more)
    (disk.journal.folder / "4-1.json").write_text("[" * 100_000)
    assert disk.settle_all(logs=True) == 0
    assert [update["job_id"] for update in dispatcher.finals()] == [7]


def test_a_phase_of_a_newer_pilot_is_a_lost_job(disk, dispatcher):
    disk.write(phase="flying", spec=json.dumps(to_panda(SPEC)))
    assert disk.settle_all(logs=True) == 0
    assert disk.told[0].problem == Problem(ErrorCode.PILOT_LOST, "its pilot died while the job was flying")


@pytest.mark.parametrize("open_to", [0o720, 0o702])
def test_a_folder_that_others_can_write_to_is_left_alone(disk, dispatcher, open_to):
    disk.write()
    disk.dead.chmod(open_to)
    assert disk.settle_all() == 0
    assert take_over_request(disk.base, disk.own, disk.server.name, QUEUE) is None
    assert dispatcher.updates == []
    assert not (disk.dead / workdir.LOCK_FILE).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="not tested: only root can give a folder away")
def test_a_folder_of_another_account_is_left_alone(disk, dispatcher):
    disk.write()
    os.chown(disk.dead, 12345, -1)
    assert disk.settle_all() == 0
    assert dispatcher.updates == []


def test_a_link_to_a_folder_is_no_pilots_folder(disk, dispatcher):
    disk.write()
    disk.dead.rename(disk.base / "elsewhere")
    disk.dead.symlink_to(disk.base / "elsewhere")
    assert disk.settle_all() == 0
    assert dispatcher.updates == []


def test_a_record_that_a_payload_has_made_in_its_directory_is_not_believed(disk, dispatcher):
    disk.write(spec=json.dumps(to_panda(SPEC)))
    place = workdir.create(disk.dead, SPEC).root
    forged = json.loads((disk.journal.folder / "7-1.json").read_bytes())
    forged["final"] = json.dumps({"job_id": 7, "job_status": "finished", "attempt_nr": 1})
    (place / INSIDE).write_text(json.dumps(forged))
    disk.settle_all()
    assert [update["job_status"] for update in dispatcher.finals()] == ["failed"]


def test_a_folder_in_the_place_of_a_record_keeps_no_job_from_being_taken_over(disk, dispatcher):
    disk.write(spec=json.dumps(to_panda(SPEC)))
    place = workdir.create(disk.dead, SPEC).root
    (place / INSIDE / "x").mkdir(parents=True)
    assert disk.settle_all(logs=True) == 0
    assert [adopt.record.key for adopt in disk.told] == [(7, 1)]
    assert not disk.dead.exists()


def test_a_definition_of_another_job_is_not_believed(disk, dispatcher):
    disk.write(id=8, spec=json.dumps(to_panda(SPEC)))
    disk.settle_all(logs=True)
    assert [update["job_id"] for update in dispatcher.finals()] == [8]


def test_a_directory_that_is_no_jobs_keeps_no_other_folder_back(disk, dispatcher):
    disk.write()
    (disk.base / f"{FOLDER}a" / f"{PLACE}x").mkdir(parents=True)
    (disk.base / f"{FOLDER}a").chmod(0o700)
    disk.settle_all()
    assert [update["job_id"] for update in dispatcher.finals()] == [7]


def test_a_job_is_reported_from_the_node_on_which_its_payload_ran(disk, dispatcher):
    disk.write(node="there")
    disk.settle_all()
    assert [update["node"] for update in dispatcher.finals()] == ["there"]


def test_what_came_in_part_only_is_removed_at_once(disk):
    shutil.rmtree(disk.dead / JOURNAL)
    (disk.dead / ".part-PanDA_Pilot-7-1" / "half").mkdir(parents=True)
    (disk.dead / "pilotlog.txt").write_text("its last words")
    os.utime(disk.dead / "pilotlog.txt", (2e9, 2e9))
    disk.settle_all()
    assert sorted(path.name for path in disk.dead.iterdir()) == [workdir.LOCK_FILE, "pilotlog.txt"]
