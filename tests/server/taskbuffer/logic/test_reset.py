"""Many jobs are brought back together, and put back again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection

from pilot.contract.codec import ContractError
from pilot.contract.job import FileSpec, Role
from pilot.contract.states import JobState
from server.taskbuffer import logic, queries
from server.taskbuffer.logic import reset as resets
from server.taskbuffer.models import Job, JobEvent, JobFile, Ready
from server.taskbuffer.resets import Reset, ResetJob
from tests.server import jobs

LATER = jobs.NOW + timedelta(days=1)


def reset(numbers, **fields) -> resets.Done:
    return resets.reset(numbers, **{"by": "alice", "why": "the disk was full", "now": LATER, **fields})


def failed() -> int:
    """Let a job fail whose log was stored."""
    (job_id,) = jobs.submit(max_attempts=1, task_id=5)
    jobs.claim()
    files = jobs.stored("job.log.tgz")
    jobs.report(job_id, "failed", pilot_error=1305, pilot_error_words="no luck", exit_status=7, files=files)
    return job_id


def cancelled() -> int:
    (job_id,) = jobs.submit(task_id=5)
    logic.kill([job_id], by="bob", now=jobs.NOW)
    return job_id


def closed() -> int:
    (job_id,) = jobs.submit(waits=True, task_id=5)
    logic.kill([job_id], code=2, by="bob", now=jobs.NOW)
    return job_id


INPUTS = (FileSpec("in.raw", Role.INPUT, dataset="raw"),)


def waited(end: str = "closed", **fields) -> int:
    """Let a job end while it waits for an input."""
    (job_id,) = jobs.submit(waits=True, inputs=INPUTS, **fields)
    if end == "failed":
        logic.fail_waiting({job_id: "input in.raw is lost"}, by="test", now=jobs.NOW)
    else:
        logic.kill([job_id], code=2 if end == "closed" else None, by="bob", now=jobs.NOW)
    return job_id


@pytest.fixture
def ended(queue) -> list[int]:
    return [failed(), cancelled(), closed()]


def rows_of(numbers) -> list[dict]:
    return list(Job.objects.filter(pk__in=numbers).order_by("pk").values())


def test_what_ended_badly_is_brought_back_for_one_further_attempt(ended):
    done = reset(ended)
    assert (done.jobs, done.refused) == (tuple(ended), {})
    for job in Job.objects.all():
        assert (job.state, job.attempt, job.priority, job.command) == ("activated", 2, -10, "")
        assert (job.pilot_error, job.taskbuffer_error, job.exit_status, job.ended_at) == (0, 0, None, None)
        assert job.max_attempts >= 2
    words = f"reset {done.reset}: the disk was full"
    assert set(JobEvent.objects.filter(at=LATER).values_list("by", "detail", "after")) == {
        ("alice", words, "activated")
    }
    assert [given["attemptNr"] for given in jobs.claim(count=9)] == [2, 2, 2]
    jobs.finish(ended[0], 2, "out.root", "job.log.tgz.2")
    assert jobs.file_states(ended[0]) == {"out.root": "ready", "job.log.tgz": "ready", "job.log.tgz.2": "ready"}
    jobs.audit()


def test_who_did_it_why_and_what_it_was_is_written_down(ended):
    reset(ended)
    record = Reset.objects.get()
    assert (record.by, record.why, record.at, record.jobs) == ("alice", "the disk was full", LATER, 3)
    assert list(ResetJob.objects.order_by("job").values_list("job", "state", "attempt")) == [
        (ended[0], "failed", 1),
        (ended[1], "cancelled", 1),
        (ended[2], "closed", 1),
    ]
    assert ResetJob.objects.get(job=ended[0]).before["pilot_error_words"] == "no luck"


def test_a_preview_changes_nothing(ended):
    before = rows_of(ended)
    (lives,) = jobs.submit()
    found = resets.preview([*ended, lives, 999])
    assert found.jobs == tuple(ended)
    assert found.by_state == {"failed": 1, "cancelled": 1, "closed": 1}
    assert found.refused == {
        lives: "it is activated; only jobs that are failed, cancelled, closed are reset",
        999: "there is no such job",
    }
    assert rows_of(ended) == before
    assert not Reset.objects.exists()


def test_undone_the_jobs_are_what_they_were(ended):
    before = rows_of(ended)
    files = [jobs.file_states(job_id) for job_id in ended]
    done = reset(ended)
    undone = resets.undo(done.reset, by="bob", now=LATER)
    assert undone == resets.Undone(tuple(ended), ())
    assert rows_of(ended) == before
    assert [jobs.file_states(job_id) for job_id in ended] == files
    assert JobFile.objects.filter(job=ended[0], role="log").count() == 1
    assert not Ready.objects.exists()
    record = Reset.objects.get()
    assert (record.undone_by, record.undone_at, record.kept) == ("bob", LATER, 0)
    assert set(ResetJob.objects.values_list("restored", flat=True)) == {True}
    jobs.audit()


def test_the_order_of_a_log_that_did_not_come_survives_the_undoing(queue):
    (job_id,) = jobs.submit(max_attempts=2)
    jobs.claim()
    jobs.report(job_id, "failed", pilot_error=-1305, files=jobs.stored("job.log.tgz"))
    jobs.claim()
    jobs.report(job_id, "failed", 2, pilot_error=1305)
    before = list(JobFile.objects.filter(job=job_id).values())
    resets.undo(reset([job_id]).reset, by="bob", now=LATER)
    assert list(JobFile.objects.filter(job=job_id).values()) == before
    assert len([file for file in before if file["role"] == "log"]) == 2


def test_what_has_moved_on_is_not_undone(ended):
    done = reset(ended)
    (taken,) = jobs.claim(count=1)
    logic.kill([ended[1]], by="bob")
    undone = resets.undo(done.reset, by="bob", now=LATER)
    assert undone.kept == tuple(sorted({taken["PandaID"], ended[1]}))
    assert Reset.objects.get().kept == 2
    assert jobs.state_of(taken["PandaID"]) == "sent"
    jobs.audit()


@pytest.mark.parametrize("end", ["failed", "cancelled", "closed"])
def test_a_job_that_ended_while_it_waited_for_its_inputs_waits_for_them_again(queue, end):
    job_id, other = waited(end), failed()
    assert resets.preview([job_id]).by_state == {end: 1}
    reset([job_id, other])
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.attempt, job.activated_at) == ("defined", 2, None)
    assert jobs.state_of(other) == "activated"
    assert [given["PandaID"] for given in jobs.claim(count=9)] == [other]
    assert job_id in queries.turns_after(0, limit=99)[0]
    jobs.audit()
    assert logic.activate([job_id], by="test") == [job_id]
    (given,) = jobs.claim()
    assert (given["PandaID"], given["attemptNr"]) == (job_id, 2)
    jobs.audit()


@pytest.mark.parametrize("after", [None, JobState.ASSIGNED, JobState.WAITING, JobState.ACTIVATED])
def test_a_reset_of_a_job_that_waits_again_is_undone_wherever_it_waits(queue, after):
    job_id = waited()
    before = rows_of([job_id])
    done = reset([job_id])
    if after is JobState.ACTIVATED:
        logic.activate([job_id], by="test")
    elif after is not None:
        logic.place([job_id], after, by="test")
    assert resets.undo(done.reset, by="bob", now=LATER).restored == (job_id,)
    assert rows_of([job_id]) == before
    jobs.audit()


def test_a_failed_job_that_is_tried_again_waits_for_its_inputs_again(queue):
    job_id = waited("failed")
    assert logic.retry([job_id], by="alice") == {}
    assert (jobs.state_of(job_id), Job.objects.get(pk=job_id).attempt) == ("defined", 2)
    jobs.audit()


def test_an_attempt_after_that_of_the_reset_is_not_undone(queue):
    job_id = failed()
    done = reset([job_id])
    jobs.claim()
    jobs.report(job_id, "failed", 2, pilot_error=1305)
    reset([job_id])
    assert resets.undo(done.reset, by="bob").kept == (job_id,)
    assert jobs.state_of(job_id) == "activated"


def test_a_reset_is_undone_once_and_its_number_is_known(ended):
    done = reset(ended)
    resets.undo(done.reset, by="bob")
    with pytest.raises(ContractError, match=f"reset: {done.reset}: it was undone by bob"):
        resets.undo(done.reset, by="bob")
    with pytest.raises(ContractError, match="reset: 99: there is no such reset"):
        resets.undo(99, by="bob")


@pytest.mark.parametrize(
    ("numbers", "fields", "words"),
    [
        ([], {}, "job_ids: 0 jobs"),
        (range(5501), {}, "5501 jobs that could be reset; give 1 to 5500"),
        ([1], {"why": "  "}, "why: give a reason"),
        ([1], {"why": "x" * 401}, "why: give a reason of 1 to 400"),
        ([99], {}, "nothing can be reset; job 99: there is no such job"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_no_record(queue, numbers, fields, words):
    with pytest.raises(ContractError, match=words):
        reset(numbers, **fields)
    assert not Reset.objects.exists()


def test_a_reset_that_breaks_in_its_middle_has_done_nothing(queue, monkeypatch):
    monkeypatch.setattr(resets, "BATCH", 2)
    numbers = [cancelled() for _ in range(5)]
    before, turns = rows_of(numbers), []

    def break_off(execute, sql, params, many, context):
        if "INSERT INTO taskbuffer_ready" in sql:
            turns.append(sql)
            if len(turns) == 2:
                raise DatabaseError("the disk is full")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(break_off), pytest.raises(DatabaseError, match="full"):
        reset(numbers)
    assert len(turns) == 2
    assert rows_of(numbers) == before
    assert not [table for table in (Reset, ResetJob, Ready) if table.objects.exists()]


def test_many_are_reset_in_batches(queue, monkeypatch):
    monkeypatch.setattr(resets, "BATCH", 2)
    numbers = [cancelled() for _ in range(5)]
    done = reset(resets.numbers_of_task(5))
    assert done.jobs == tuple(numbers)
    assert resets.undo(done.reset, by="bob").restored == tuple(numbers)
    jobs.audit()
