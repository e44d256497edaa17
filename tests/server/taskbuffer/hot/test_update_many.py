"""Several reports at once are taken as each alone would be."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pilot.contract.messages import JobUpdate
from pilot.contract.states import JobState
from server.taskbuffer import logic
from server.taskbuffer.hot import update
from server.taskbuffer.models import Attempt, Job, JobFile, JobReport, Live
from server.taskbuffer.values import OtherQueue
from tests.server import jobs


def said(job_id, state, attempt=1, **fields):
    return JobUpdate(job_id=job_id, state=JobState(state), attempt=attempt, **fields)


def whole(job_id, metadata='{"a": "ü"}'):
    return said(job_id, "finished", files=jobs.stored("out.root", "job.log.tgz"), cpu_time=7, metadata=metadata)


def given(count):
    jobs.submit(count)
    return [job["PandaID"] for job in jobs.claim(count=count)]


#: Reports on four jobs, by their places.
REPORTS = (
    (0, lambda job: said(job, "running", pilot_id="p", node="wn7", batch_id="b", stdout="line 1", events=3)),
    (1, lambda job: said(job, "starting")),
    (2, lambda job: said(job, "failed", pilot_error=1099, files=jobs.stored("job.log.tgz"))),
    (3, lambda job: said(job, "running", 2)),
    (0, lambda job: said(job, "running", stdout="line 2")),
    (1, whole),
    (0, whole),
    (0, whole),
    (3, lambda job: said(job, "finished", files=jobs.stored("job.log.tgz"))),
    (2, lambda job: said(job, "failed", pilot_error=1099, files=jobs.stored("job.log.tgz"))),
)


def told(first):
    """Answer all that the rows say of jobs that are the same but for their numbers."""
    found = []
    for table, job in ((Job, "id"), (Attempt, "job_id"), (JobFile, "job_id"), (Live, "job_id")):
        rows = table.objects.filter(**{f"{job}__gte": first, f"{job}__lt": first + 4}).order_by("pk").values()
        found += [
            {key: value for key, value in row.items() if key not in ("id", "request_id", "digest")} for row in rows
        ]
    for row in found:
        row["job_id"] = row.get("job_id", first) - first
        row.pop("name", None)
    return found


def test_many_reports_are_taken_and_answered_as_each_alone_would_be(queue):
    alone, together = given(4), given(4)
    wanted = [logic.apply_update(make(alone[place]), by="p", now=jobs.NOW) for place, make in REPORTS]
    found = logic.apply_updates([make(together[place]) for place, make in REPORTS], by="p", now=jobs.NOW)
    assert [answer.command for answer in found] == [answer.command for answer in wanted]
    assert [answer.command for answer in found].count("tobekilled") == 1
    assert told(together[0]) == told(alone[0])
    for one, other in zip(alone, together, strict=True):
        assert jobs.moves_of(other) == jobs.moves_of(one)
    assert JobReport.objects.count() == 8
    jobs.audit()


def test_reports_of_one_state_are_taken_by_one_statement_or_in_one_transaction(queue):
    held = given(6)
    with CaptureQueriesContext(connection) as executed:
        logic.apply_updates([said(number, "running") for number in held], by="p")
    texts = [each["sql"] for each in executed]
    if connection.vendor == "postgresql":
        assert len(texts) == 1
    else:
        assert sum(text.startswith("SAVEPOINT") for text in texts) == 1
    assert {jobs.state_of(number) for number in held} == {"running"}


def test_what_is_refused_of_one_report_stands_among_the_answers(queue):
    one, two = given(2)
    Job.objects.filter(pk=two).update(queue="REMOTE")
    taken, refused = logic.apply_updates([said(one, "running"), said(two, "running")], by="p", queues={"LOCAL"})
    assert taken.command == "NULL"
    assert isinstance(refused, OtherQueue)
    assert f"job {two} is of the queue REMOTE" in str(refused)
    assert (jobs.state_of(one), jobs.state_of(two)) == ("running", "sent")


def test_a_code_that_no_column_holds_does_not_keep_reports_from_being_taken(queue):
    one, two = given(2)
    huge = said(one, "failed", pilot_error=2**63 - 1, payload_error=-(2**40), exit_status=2**32 - 1)
    logic.apply_updates([huge, whole(two)], by="p")
    kept = Attempt.objects.values_list("pilot_error", "payload_error", "exit_status").get(job_id=one)
    assert kept == (2**31 - 1, 1 - 2**31, 2**31 - 1)
    assert jobs.state_of(two) == "finished"


def test_any_number_of_reports_is_taken_piece_by_piece(queue, monkeypatch):
    monkeypatch.setattr(update, "MOST", 2)
    held = given(5)
    assert len(logic.apply_updates([whole(number) for number in held], by="p")) == 5
    assert {jobs.state_of(number) for number in held} == {"finished"}
    assert logic.apply_updates([], by="p") == []


@pytest.mark.parametrize("text", ["\\u0000", 'a"b\\c', "{}", "%s", "ü\U0001f600", "x" * 70000])
def test_any_text_is_kept_as_it_was_said(queue, text):
    (number,) = given(1)
    logic.apply_update(said(number, "running", stdout=text), by="p")
    assert Live.objects.get().tail == text[-2048:]
    logic.apply_update(whole(number, text), by="p")
    assert JobReport.objects.get().metadata == text
