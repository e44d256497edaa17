"""Event ranges through Harvester's files; Harvester's part is played as its file messenger does it."""

from __future__ import annotations

import json
import threading

import pytest

from pilot.api import replies
from pilot.api.shared_files import AccessPoint, SharedFiles
from pilot.contract.events import Archive, EventJob, EventReport, RangeEnd, RangeStatus
from pilot.contract.messages import JobUpdate, StoredFile
from pilot.contract.states import JobState
from tests.pilot.eventservice.ranges_server import described

JOB = EventJob(7, 5, 1)
REQUEST, RANGES, UPDATES = "worker_requestevents.json", "JobsEventRanges.json", "worker_updateevents.json"
DUMP = "event_status.dump.json"


@pytest.fixture
def access(tmp_path):
    return tmp_path


@pytest.fixture
def files(access):
    return SharedFiles(AccessPoint(access))


def feed(access, **ranges):
    """Bring ranges as Harvester does: the file first, then it takes the request away."""
    (access / RANGES).write_text(json.dumps({name[1:]: found for name, found in ranges.items()}))
    (access / REQUEST).unlink(missing_ok=True)


def read(path):
    return json.loads(path.read_text())


def ask(files, request_id="id-1", job=JOB):
    return [one.id for one in files.get_event_ranges(job, 4, request_id)]


def test_harvester_is_asked_once_and_what_it_brings_is_taken(files, access):
    for _ in range(2):
        with pytest.raises(replies.NotYet):
            ask(files)
    assert read(access / REQUEST) == {"7": {"pandaID": 7, "jobsetID": 5, "taskID": 1, "nRanges": 4}}
    feed(access, j7=[described(0), described(1)])
    assert ask(files) == ["1-7-2-0-3", "1-7-2-1-3"]
    assert not (access / RANGES).exists()
    assert not (access / REQUEST).exists()


def test_what_harvester_is_just_writing_is_left_alone(files, access):
    with pytest.raises(replies.NotYet):
        ask(files)
    (access / RANGES).write_text(json.dumps({"7": [described(0)]}))
    with pytest.raises(replies.NotYet):
        ask(files)  # the request is still there
    (access / RANGES).write_text('{"7": [{"eventRa')
    (access / REQUEST).unlink()
    with pytest.raises(replies.NotYet):
        ask(files)
    assert not (access / REQUEST).exists(), "it is not asked again over what it writes"
    feed(access, j7=[described(0)])
    assert ask(files) == ["1-7-2-0-3"]


def test_the_same_request_gets_the_same_ranges_also_by_the_next_pilot(files, access):
    feed(access, j7=[described(0)])
    assert ask(files) == ask(files) == ask(SharedFiles(AccessPoint(access)))
    with pytest.raises(replies.NotYet):
        ask(files, "id-2")
    assert sorted(path.name for path in access.iterdir()) == [REQUEST]


def test_no_ranges_means_that_there_are_none_left(files, access):
    feed(access, j7=[])
    assert ask(files) == []


def test_ranges_of_another_job_stay_where_they_are(files, access):
    feed(access, j7=[described(0)], j8=[described(1, 8)])
    assert ask(files) == ["1-7-2-0-3"]
    assert ask(files, "id-2", EventJob(8)) == ["1-8-2-1-3"]


def test_what_cannot_be_understood_is_said_so(files, access):
    feed(access, j7={"no": "list"})
    with pytest.raises(replies.BadAnswer, match="eventRanges"):
        ask(files)


def test_a_folder_that_is_away_may_come_back(files, access):
    (access / RANGES).mkdir()
    with pytest.raises(replies.Unreachable):
        ask(files)


def report(*names, url="", status=RangeStatus.FINISHED):
    archive = Archive("p.tar", 9, "adler32:00000001", 1, url, "HARVESTER", "G") if url else None
    return EventReport(7, tuple(RangeEnd(name, status) for name in names), archive)


def test_an_archive_in_a_folder_is_for_harvester_to_store(files, access):
    assert files.update_events(report("a", "b", url="file:///w/p%20q.tar")).taken == (True, True)
    facts = {"type": "zip_output", "path": "/w/p q.tar", "guid": "G", "fsize": 9, "chksum": "00000001"}
    assert read(access / DUMP) == {
        "7": [{**facts, "eventRangeID": name, "eventStatus": "finished"} for name in ("a", "b")]
    }
    assert not (access / UPDATES).exists()


def test_what_lies_on_a_storage_and_what_failed_is_only_told(files, access):
    files.update_events(report("a", url="root://host//p.tar"))
    files.update_events(report("b", status=RangeStatus.FAILED))
    assert [(one["eventRangeID"], one["eventStatus"]) for one in read(access / UPDATES)["7"]] == [
        ("a", "finished"),
        ("b", "failed"),
    ]


def test_what_harvester_has_not_read_is_added_to_and_nothing_is_said_twice(files, access):
    for name in ("a", "b", "a"):
        files.update_events(report(name))
    assert [one["eventRangeID"] for one in read(access / UPDATES)["7"]] == ["a", "b"]
    (access / UPDATES).rename(access / f"{UPDATES}.read")
    files.update_events(report("c"))
    assert [one["eventRangeID"] for one in read(access / UPDATES)["7"]] == ["c"]


def test_the_files_of_the_job_come_beside_those_of_its_ranges(files, access):
    files.update_events(report("a", url="file:///w/p.tar"))
    log = StoredFile("job.log.tgz", 5, "adler32:00000002", "G2", "file:///w/job.log.tgz")
    files.report(files.compose(JobUpdate(7, JobState.FINISHED, files=(log,))))
    assert [one["path"] for one in read(access / DUMP)["7"]] == ["/w/p.tar", "/w/job.log.tgz"]


def test_a_worker_that_is_to_end_is_told_with_the_answer(files, access):
    (access / "kill_worker.json").write_text("{}")
    assert files.update_events(report("a")).command == "tobekilled"


def test_jobs_that_report_at_the_same_time_lose_nothing(files, access):
    def tell(number):
        for count in range(20):
            files.update_events(report(f"{number}-{count}"))

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(access / UPDATES)["7"]) == 80


def test_a_pilot_that_ends_takes_its_request_back(files, access):
    feed(access, j7=[described(0)])
    ask(files)
    with pytest.raises(replies.NotYet):
        ask(files, "id-2", EventJob(8))
    files.withdraw()
    assert list(access.iterdir()) == []
