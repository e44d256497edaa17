"""Somebody ends jobs."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pilot.contract.codec import ContractError
from server.taskbuffer import logic
from server.taskbuffer.logic import KillOutcome
from server.taskbuffer.models import Attempt, Job, Live, Ready
from tests.server import jobs


def test_a_queued_job_ends_at_once_and_leaves_the_queue(queue):
    (job_id,) = jobs.submit()
    assert logic.kill([job_id], by="alice") == {job_id: KillOutcome.ENDED}
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.taskbuffer_error, job.server_error_words) == ("cancelled", 100, "killed by alice")
    assert not Ready.objects.exists()
    assert jobs.claim() == []
    assert jobs.file_states(job_id) == {"out.root": "failed", "job.log.tgz": "failed"}
    jobs.audit()


def test_a_running_job_ends_through_its_pilot(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.report(job_id, "running")
    assert logic.kill([job_id], by="alice") == {job_id: KillOutcome.ORDERED}
    assert jobs.state_of(job_id) == "running"
    assert jobs.report(job_id, "running") == "tobekilled"
    assert jobs.report(job_id, "failed", pilot_error=1144) == "NULL"
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.taskbuffer_error, job.pilot_error) == ("cancelled", 100, 1144)
    assert jobs.report(job_id, "running") == "tobekilled"
    jobs.audit()


def test_a_job_that_finished_before_it_heard_of_the_kill_is_finished(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    logic.kill([job_id], by="alice")
    assert jobs.finish(job_id) == "NULL"
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.taskbuffer_error) == ("finished", 0)


@pytest.mark.parametrize(
    ("code", "state", "why"),
    [(None, "cancelled", 100), (2, "closed", 102), (3, "cancelled", 103), (10, "closed", 130), (51, "closed", 100)],
)
def test_the_code_says_how_a_job_ends(queue, code, state, why):
    (job_id,) = jobs.submit()
    logic.kill([job_id], code=code, by="alice")
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.taskbuffer_error) == (state, why)


def test_a_forced_kill_does_not_wait_for_the_pilot(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    assert logic.kill([job_id], code=9, by="alice") == {job_id: KillOutcome.ENDED}
    assert not Live.objects.exists()
    assert Attempt.objects.get().state == "cancelled"
    assert jobs.finish(job_id) == "tobekilled"
    assert jobs.state_of(job_id) == "cancelled"
    jobs.audit()


def test_a_pilot_that_is_faster_makes_no_kill_fail(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    moved = []

    def pilot_is_faster(execute, sql, params, many, context):
        if sql.startswith("UPDATE taskbuffer_job") and not moved:
            text = "UPDATE taskbuffer_job SET state = 'running' WHERE id = %s"
            moved.append(execute(text, (job_id,), False, context))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(pilot_is_faster):
        assert logic.kill([job_id], by="alice") == {job_id: KillOutcome.ORDERED}
    job = Job.objects.get()
    assert (len(moved), job.state, job.command) == (1, "running", "tobekilled")


def test_a_kill_locks_the_place_in_the_queue_before_the_job_as_a_claim_does(queue):
    (job_id,) = jobs.submit()
    with CaptureQueriesContext(connection) as executed:
        logic.kill([job_id], by="alice")
    writes = [each["sql"].split(" WHERE ")[0].split(" SET ")[0] for each in executed]
    assert writes.index("DELETE FROM taskbuffer_ready") < writes.index("UPDATE taskbuffer_job")


def test_what_has_ended_or_never_was_is_said_so(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.finish(job_id)
    outcomes = logic.kill([job_id, 999], by="alice")
    assert outcomes == {job_id: KillOutcome.OVER, 999: KillOutcome.UNKNOWN}
    assert jobs.state_of(job_id) == "finished"


def test_an_unknown_code_is_refused(queue):
    with pytest.raises(ContractError, match="code: 77 is no kill code; known are 2, 3"):
        logic.kill([1], code=77, by="alice")
