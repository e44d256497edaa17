"""A pilot reports."""

from __future__ import annotations

import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pilot.contract.messages import JobUpdate
from pilot.contract.states import FINAL, REPORTABLE, WITH_PILOT, JobState
from server.taskbuffer import logic
from server.taskbuffer.again import RULES
from server.taskbuffer.hot.plain_reports import befores
from server.taskbuffer.models import Attempt, Job, JobEvent, JobFile, JobReport, Live
from server.taskbuffer.values import OtherQueue, Progress, Standing
from server.taskbuffer.verdict import judge
from tests.server import jobs


@pytest.fixture
def job_id(queue):
    (number,) = jobs.submit()
    jobs.claim()
    return number


def test_a_whole_life_leaves_one_event_per_move(job_id):
    for state in ("starting", "running", "transferring"):
        assert jobs.report(job_id, state, pilot_id="p1", batch_id="b1") == "NULL"
    assert jobs.finish(job_id) == "NULL"
    assert [after for _, after in jobs.moves_of(job_id)] == [
        "activated", "sent", "starting", "running", "transferring", "finished",
    ]  # fmt: skip
    job, attempt = Job.objects.get(), Attempt.objects.get()
    assert (job.state, job.pilot_id, attempt.state, attempt.batch_id) == ("finished", "p1", "finished", "b1")
    assert job.started_at == job.ended_at == attempt.started_at == attempt.ended_at == jobs.NOW
    assert not Live.objects.exists()
    jobs.audit()


def test_outputs_are_registered_with_what_the_pilot_stored(job_id):
    jobs.finish(job_id)
    out = JobFile.objects.get(lfn="out.root")
    assert (out.state, out.size, out.checksum, out.url) == ("ready", 10, jobs.SUM, "file:///out.root")
    assert (out.guid, out.endpoint, out.attempt) == ("guid-out.root", "DISK", 1)


def test_the_full_report_is_kept(job_id):
    jobs.report(job_id, "finished", files=jobs.stored("out.root"), metadata='{"files": {}}', metrics="a=1", events=10)
    kept = JobReport.objects.get()
    assert kept.metadata == '{"files": {}}'
    assert json.loads(kept.report)["job_metrics"] == "a=1"
    assert Job.objects.get().events == 10


def test_the_same_final_report_again_gets_the_first_answer_and_changes_nothing(job_id):
    assert jobs.finish(job_id) == "NULL"
    rows = [list(table.objects.values()) for table in (Job, Attempt, JobFile, JobEvent, JobReport)]
    assert jobs.finish(job_id) == "NULL"
    assert [list(table.objects.values()) for table in (Job, Attempt, JobFile, JobEvent, JobReport)] == rows


def test_a_final_report_is_recognised_even_after_the_job_was_queued_again(job_id):
    said = {"pilot_error": 1099, "pilot_error_words": "no input"}
    assert jobs.report(job_id, "failed", **said) == "NULL"
    assert jobs.moves_of(job_id)[-2:] == [(1, "failed"), (1, "activated")]
    assert jobs.report(job_id, "failed", **said) == "NULL"
    jobs.claim()
    assert jobs.report(job_id, "failed", **said) == "NULL"
    assert Job.objects.get().attempt == 2
    jobs.audit()


def test_another_final_report_after_the_end_is_stale(job_id):
    jobs.finish(job_id)
    assert jobs.report(job_id, "failed", pilot_error=1099) == "tobekilled"
    assert jobs.state_of(job_id) == "finished"


@pytest.mark.parametrize("attempt", [0, 2, None])
def test_a_report_on_an_attempt_that_is_not_the_current_one_changes_nothing(job_id, attempt):
    if attempt is None:  # the first attempt is meant; make it an old one
        jobs.report(job_id, "failed", pilot_error=1099)
        jobs.claim()
    rows = list(Live.objects.values()), list(JobEvent.objects.values())
    assert jobs.report(job_id, "running", attempt) == "tobekilled"
    assert (list(Live.objects.values()), list(JobEvent.objects.values())) == rows


def test_an_unknown_job_is_to_be_killed(job_id):
    assert jobs.report(999, "running") == "tobekilled"


def test_a_heartbeat_is_no_event(job_id):
    jobs.report(job_id, "running")
    jobs.report(job_id, "running", stdout="line 7")
    update = JobUpdate(job_id=job_id, state=JobState.STARTING, attempt=1)
    logic.apply_update(update, by="pilot", progress=Progress(250, 1000))
    live = Live.objects.get()
    assert (live.state, live.tail, live.events_done, live.events_total) == ("running", "line 7", 250, 1000)
    assert live.heartbeat > jobs.NOW.timestamp()
    assert len(jobs.moves_of(job_id)) == 3


def test_success_without_an_output_is_a_failure_that_names_it(job_id):
    assert jobs.finish(job_id, 1, "job.log.tgz") == "NULL"
    job = Job.objects.get()
    assert (job.state, job.data_error) == ("failed", 200)
    assert "out.root" in job.server_error_words
    assert jobs.file_states(job_id) == {"out.root": "failed", "job.log.tgz": "ready"}


def test_an_output_that_may_be_missing_may_be_missing(queue):
    (job_id,) = jobs.submit(outputs=("a.root", "b.root"), allow_no_output=("b.root",))
    jobs.claim()
    jobs.finish(job_id, 1, "a.root")
    assert jobs.state_of(job_id) == "finished"
    assert jobs.file_states(job_id)["b.root"] == "nooutput"


def test_a_missing_log_fails_nothing_and_is_noted(job_id):
    jobs.finish(job_id, 1, "out.root")
    assert jobs.state_of(job_id) == "finished"
    assert JobEvent.objects.last().detail == "no log: job.log.tgz was not stored"


def test_a_failed_job_keeps_its_log_and_registers_no_output(job_id):
    jobs.report(
        job_id, "failed", pilot_error=1305, payload_error=1, exit_status=7, files=jobs.stored("out.root", "job.log.tgz")
    )
    assert jobs.file_states(job_id) == {"out.root": "failed", "job.log.tgz": "ready"}
    job = Job.objects.get()
    assert (job.pilot_error, job.payload_error, job.exit_status) == (1305, 1, 7)


def test_long_words_are_cut_to_their_columns(job_id):
    jobs.report(job_id, "failed", pilot_error=1305, pilot_error_words="x" * 9000, node="n" * 900, pilot_id="p" * 900)
    assert len(Job.objects.get().pilot_error_words) == 500
    assert len(JobEvent.objects.last().detail) == 500


def counted(executed):
    return len([each for each in executed if not each["sql"].startswith(("SAVEPOINT", "RELEASE"))])


@pytest.mark.parametrize(("state", "statements"), [("running", 5), ("starting", 5), ("finished", 9), ("failed", 10)])
def test_a_report_takes_the_same_few_statements_however_many_jobs_there_are(queue, state, statements):
    jobs.submit(50)
    given = jobs.claim(count=40)
    update = JobUpdate(given[0]["PandaID"], JobState(state), attempt=1, files=jobs.stored("out.root", "job.log.tgz"))
    RULES.of(None)  # read once a second, not for each failure
    with CaptureQueriesContext(connection) as executed:
        logic.apply_update(update, by="pilot")
    plain = connection.vendor == "postgresql" and state != "failed"
    assert counted(executed) == (1 if plain else statements)


def test_a_heartbeat_takes_two_statements_or_one_where_that_can_do_all(job_id):
    jobs.report(job_id, "running")
    with CaptureQueriesContext(connection) as executed:
        jobs.report(job_id, "running")
    assert counted(executed) == (1 if connection.vendor == "postgresql" else 2)


@pytest.mark.parametrize("state", ["running", "finished"])
def test_a_report_locks_the_job_before_its_small_row_so_that_none_waits_for_ever(job_id, state):
    with CaptureQueriesContext(connection) as executed:
        jobs.report(job_id, state, files=jobs.stored("out.root", "job.log.tgz"))
    if connection.vendor == "postgresql":  # the small row is found by what was returned of the job's
        (text,) = [each["sql"] for each in executed if each["sql"].lstrip().startswith("WITH")]
        assert re.search(
            r"UPDATE taskbuffer_live l .* FROM heard|DELETE FROM taskbuffer_live l USING moved", text, re.S
        )
        return
    writes = [each["sql"].split(" SET ")[0].split(" WHERE ")[0] for each in executed]
    small = "UPDATE taskbuffer_live" if state == "running" else "DELETE FROM taskbuffer_live"
    assert writes.index("UPDATE taskbuffer_job") < writes.index(small)


@pytest.mark.parametrize("after", sorted(REPORTABLE - FINAL))
def test_a_report_is_plain_exactly_where_it_moves_a_job_that_its_pilot_keeps(after):
    update = JobUpdate(1, after, attempt=1)
    moves = {state for state in WITH_PILOT if judge(Standing(1, state, 1, 3, 1, 0, "", 0), update).moves == (after,)}
    assert {JobState(state) for state in befores(after)} == moves


def test_a_finished_job_is_no_plain_one_when_a_file_that_may_be_missing_is(queue):
    spec = {"allow_no_output": ("out.root",)}
    (number,) = jobs.submit(**spec)
    jobs.claim()
    jobs.finish(number, 1, "job.log.tgz")
    assert jobs.file_states(number) == {"out.root": "nooutput", "job.log.tgz": "ready"}


def test_a_second_attempt_ends_as_the_first_would(job_id):
    jobs.report(job_id, "failed", pilot_error=1099)
    jobs.claim()
    jobs.report(job_id, "running", 2)
    assert jobs.finish(job_id, 2, "out.root", "job.log.tgz.2") == "NULL"
    assert jobs.file_states(job_id) == {"out.root": "ready", "job.log.tgz.2": "ready"}
    jobs.audit()


def test_who_speaks_for_another_queue_changes_nothing(job_id):
    update = JobUpdate(job_id=job_id, state=JobState.RUNNING, attempt=1)
    with pytest.raises(OtherQueue, match=f"job {job_id} is of the queue LOCAL, not of A, B"):
        logic.apply_update(update, by="pilot", now=jobs.NOW, queues={"A", "B"})
    assert jobs.state_of(job_id) == "sent"
    logic.apply_update(update, by="pilot", now=jobs.NOW, queues={"A", "LOCAL"})
    assert jobs.state_of(job_id) == "running"


def test_a_stale_report_is_answered_whatever_queue_it_speaks_for(job_id):
    update = JobUpdate(job_id=job_id, state=JobState.RUNNING, attempt=7)
    assert logic.apply_update(update, by="pilot", now=jobs.NOW, queues={"A"}).command == "tobekilled"
