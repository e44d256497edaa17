"""Jobs enter the queue."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pilot.contract.job import FileSpec, Role
from pilot.contract.states import JobState
from server.lib.moves import IllegalMove
from server.taskbuffer import logic
from server.taskbuffer.models import Attempt, Job, JobEvent, Ready
from tests.server import jobs


def test_a_waiting_job_is_activated_once(queue):
    (job_id,) = jobs.submit(waits=True, inputs=(FileSpec("in.raw", Role.INPUT),))
    assert logic.activate([job_id, job_id, 999], by="test") == [job_id]
    assert logic.activate([job_id], by="test") == []
    assert jobs.moves_of(job_id) == [(1, "defined"), (1, "activated")]
    assert jobs.file_states(job_id)["in.raw"] == "ready"
    assert len(jobs.claim()) == 1
    jobs.audit()


def test_a_failed_job_is_tried_again_as_the_next_attempt_with_lower_priority(queue):
    (job_id,) = jobs.submit(priority=100, max_attempts=1)
    jobs.claim()
    jobs.report(job_id, "failed", pilot_error=1305, pilot_error_words="it broke")
    assert jobs.file_states(job_id) == {"out.root": "failed", "job.log.tgz": "failed"}
    assert logic.retry([job_id], by="somebody") == {}
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.attempt, job.priority, job.pilot_error) == ("activated", 2, 90, 0)
    assert Attempt.objects.get(job=job_id, number=1).pilot_error_words == "it broke"
    (given,) = jobs.claim()
    assert (given["attemptNr"], given["currentPriority"]) == (2, 90)
    assert (given["logFile"], given["outFiles"]) == ("job.log.tgz.2", "out.root,job.log.tgz.2")
    assert jobs.finish(job_id, 2, "out.root", "job.log.tgz.2") == "NULL"
    assert jobs.file_states(job_id) == {"out.root": "ready", "job.log.tgz.2": "ready"}
    jobs.audit()


def test_each_attempt_keeps_its_own_log(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.report(job_id, "failed", pilot_error=1099, files=jobs.stored("job.log.tgz"))
    jobs.claim()
    jobs.finish(job_id, 2, "out.root", "job.log.tgz.2")
    assert jobs.file_states(job_id) == {"job.log.tgz": "ready", "out.root": "ready", "job.log.tgz.2": "ready"}


def test_only_failed_jobs_are_tried_again_and_the_others_are_told_why(queue):
    (job_id,) = jobs.submit()
    assert logic.retry([job_id, 999], by="somebody") == {
        job_id: "it is activated; only failed jobs are tried again",
        999: "there is no such job",
    }


def statements(work) -> int:
    with CaptureQueriesContext(connection) as found:
        work()
    return len(found)


def test_many_jobs_are_activated_with_as_many_statements_as_few(queue):
    few, many = jobs.submit(2, waits=True), jobs.submit(400, waits=True)
    spent = statements(lambda: logic.activate(few, by="test"))
    assert statements(lambda: logic.activate(many, by="test")) <= spent + 6
    assert Ready.objects.count() == 402
    jobs.audit()


def test_waiting_jobs_are_placed_in_pandas_words_and_only_when_they_wait(queue):
    first, second = jobs.submit(2, waits=True)
    (queued,) = jobs.submit()
    assert logic.place([first, second, queued], JobState.ASSIGNED, by="test") == [first, second]
    assert logic.place([first], JobState.ASSIGNED, by="test") == []
    assert logic.place([first], JobState.WAITING, by="test", detail="nothing is known") == [first]
    assert JobEvent.objects.get(job=first, after="waiting").detail == "nothing is known"
    with pytest.raises(IllegalMove):
        logic.place([first], JobState.RUNNING, by="test")
    assert logic.activate([first, second], by="test") == [first, second]
    jobs.audit()


def test_jobs_that_wait_for_what_cannot_come_fail_with_words_of_their_own(queue):
    first, second = jobs.submit(2, waits=True, inputs=(FileSpec("in.raw", Role.INPUT),))
    (queued,) = jobs.submit()
    words = {first: "a is lost", second: "b is lost", queued: "c is lost", 999: "no such job"}
    assert logic.fail_waiting(words, by="test") == [first, second]
    job = Job.objects.get(pk=second)
    assert (job.state, job.data_error, job.server_error_words) == ("failed", 100, "b is lost")
    assert job.ended_at is not None
    assert jobs.file_states(first) == {"in.raw": "pending", "out.root": "failed", "job.log.tgz": "failed"}
    assert jobs.state_of(queued) == "activated"
    jobs.audit()
