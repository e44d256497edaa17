from __future__ import annotations

import queue
from types import SimpleNamespace

import pytest

from pilot.api.replies import NotYet, Refused, ServerBroke, Unreachable
from pilot.contract.codes import ErrorCode
from pilot.contract.events import EventAnswer, EventJob, EventRange, EventReport, RangeEnd, RangeStatus
from pilot.contract.job import JobSpec, Role
from pilot.copytool.base import Cancel
from pilot.errors import JobFailed
from pilot.eventservice.errands import (
    Broke,
    Came,
    Errands,
    NotCame,
    NotStored,
    NotTold,
    Packed,
    Store,
    Stored,
    Talk,
    Told,
)
from pilot.eventservice.outputs import Output, facts

REPORT = EventReport(7, (RangeEnd("a", RangeStatus.FINISHED),))
ANSWER = EventAnswer((True,))


class Answering:
    """A server that answers in turn what it is given to answer."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def _next(self, *asked):
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    get_event_ranges = update_events = _next


def talk(server, cancel=None, closed=None, patience=10.0):
    return Talk(
        server, EventJob(7), cancel or Cancel(), closed or Cancel(), patience=patience, wait=0.001, waits=(0.001, 0.002)
    )


def asked():
    token = Cancel()
    token.ask()
    return token


def test_the_same_request_is_repeated_until_there_is_an_answer():
    server = Answering(Unreachable("away"), NotYet("later"), ServerBroke("503"), (EventRange("a"),))
    assert talk(server).ask(4, "id") == Came((EventRange("a"),))
    assert server.asked == [(EventJob(7), 4, "id")] * 4


@pytest.mark.parametrize(
    ("answers", "more"),
    [
        ([Refused("no such job")], {}),
        ([Unreachable("away")], {"patience": 0.0}),
        ([NotYet("later")], {"closed": asked()}),
    ],
)
def test_nobody_asks_again_when_that_is_of_no_use(answers, more):
    came = talk(Answering(*answers), **more).ask(4, "id")
    assert isinstance(came, NotCame)
    assert answers[0].detail in came.problem.detail
    assert came.problem.code is answers[0].code


def test_a_report_is_repeated_until_it_is_taken():
    server = Answering(*[Unreachable("away")] * 5, ANSWER)
    assert talk(server).tell(REPORT) == Told(REPORT, ANSWER)
    assert server.asked == [(REPORT,)] * 6


def test_a_report_that_is_refused_is_not_repeated():
    told = talk(Answering(Refused("no"))).tell(REPORT)
    assert (told.refused, told.problem.code) == (True, ErrorCode.SERVER_REFUSED)


def test_a_report_of_a_job_that_has_to_end_is_tried_once():
    told = talk(Answering(Unreachable("away")), cancel=asked()).tell(REPORT)
    assert isinstance(told, NotTold)
    assert not told.refused
    assert talk(Answering(ANSWER), cancel=asked()).tell(REPORT) == Told(REPORT, ANSWER)


def test_errands_are_run_in_turn_and_an_error_that_nobody_knows_is_brought_back():
    told = queue.Queue()
    errands = Errands("test", told.put)
    wrong = RuntimeError("broken")

    def break_down():
        raise wrong

    errands.send(lambda: 1)
    errands.send(break_down)
    errands.send(lambda: 2)
    errands.close()
    assert [told.get(), told.get(), told.get()] == [1, Broke(wrong), 2]


class Storing:
    def __init__(self, failure=None):
        self.failure, self.files = failure, []

    def stage_out(self, spec, files, folder, deadline, cancel):
        self.files += files
        if self.failure:
            raise self.failure
        checksum = facts(folder / files[0].lfn)[1]
        return (SimpleNamespace(endpoint="OBJECTS", url="file:///o/x", guid="G", checksum=checksum),)


def store(folder, storing):
    return Store(JobSpec(7, 1, "x"), folder, storing, Cancel(), 60.0, {"OBJECTS": 42}.__getitem__)


def test_outputs_are_packed_and_stored_where_their_queue_stores_such(tmp_path):
    (tmp_path / "out").write_text("x")
    storing = Storing()
    made = store(tmp_path, storing)
    packed = made.pack([Output("a", str(tmp_path / "out"))])
    assert isinstance(packed, Packed)
    assert packed.archive.size == (tmp_path / packed.archive.lfn).stat().st_size
    stored = made.store(packed.archive)
    assert isinstance(stored, Stored)
    assert (stored.archive.storage, stored.archive.url) == (42, "file:///o/x")
    (file,) = storing.files
    assert (file.lfn, file.role, file.scope) == (packed.archive.lfn, Role.ZIP, "transient")


def test_an_archive_of_nothing_is_none(tmp_path):
    packed = store(tmp_path, Storing()).pack([Output("a", str(tmp_path / "out"))])
    assert (packed.ids, list(packed.without)) == ([], ["a"])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_packed_or_stored_has_a_code(tmp_path):
    failed = store(tmp_path / "missing", Storing()).pack([Output("a", "/none")])
    assert isinstance(failed, NotStored)
    assert failed.problem.code is ErrorCode.FILE_HANDLING
    (tmp_path / "out").write_text("x")
    made = store(tmp_path, Storing(JobFailed(ErrorCode.NO_REMOTE_SPACE, "full")))
    archive = made.pack([Output("a", str(tmp_path / "out"))]).archive
    assert made.store(archive) == NotStored(archive.lfn, failed.problem.__class__(ErrorCode.NO_REMOTE_SPACE, "full"))


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_an_archive_that_its_payload_has_changed_is_not_taken_for_stored(tmp_path, when):
    (tmp_path / "out").write_text("x")
    (tmp_path / "token").write_text("secret")
    storing = Storing()
    made = store(tmp_path, storing)
    archive = made.pack([Output("a", str(tmp_path / "out"))]).archive
    path = tmp_path / archive.lfn
    if when == "before":
        path.unlink()
        path.symlink_to(tmp_path / "token")
    else:
        path.write_bytes(b"y" * archive.size)
    answer = made.store(archive)
    assert answer.problem.code is ErrorCode.PUT_ADLER_MISMATCH
    assert len(storing.files) == (when == "meanwhile"), "what a link leads to is never copied"
