"""The database ends a connection in the middle: what has a name is done once all the same, all else is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from pilot.contract.messages import Command, JobUpdate
from pilot.contract.states import JobState
from server.lib import transactions
from server.lib.transactions import is_cut_off
from server.taskbuffer import logic
from server.taskbuffer.models import Attempt, Job, JobEvent
from tests.server import jobs

pytestmark = [
    pytest.mark.one_python,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL ends connections at a word"),
]

#: What pilots are told that are to go on.
NOTHING = Command.NONE.value
#: The statement of a claim; the first one looks for its buckets.
CLAIM = 2
#: A statement has done what it does when the connection ends, or has not.
MOMENTS = pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])


def end_backend() -> None:
    """Have this connection's process ended by another one."""
    number = connection.connection.info.backend_pid
    other = connection.get_new_connection(connection.get_connection_params())
    other.execute("SELECT pg_terminate_backend(%s, 30000)", [number])
    other.close()


class Cut:
    """Ends the connection at one statement, by its place; ``happened`` says whether it came to that."""

    def __init__(self, at: int, is_done: bool) -> None:
        self._left, self._is_done, self.happened = at, is_done, False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self._left -= 1
        if self._left or self.happened:
            return execute(sql, params, many, context)
        self.happened = True
        if self._is_done:
            execute(sql, params, many, context)
        end_backend()
        return execute(sql, params, many, context)


@contextmanager
def cut(*, at: int = 1, is_done: bool = False) -> Iterator[Cut]:
    made = Cut(at, is_done)
    with connection.execute_wrapper(made):
        yield made


@pytest.fixture
def two_jobs(transactional_db):
    from server.pandaconfig.logic import define_queue

    define_queue({"nickname": "LOCAL", "status": "online", "corecount": 8, "maxrss": 16000})
    return jobs.submit(2)


@MOMENTS
@pytest.mark.parametrize("request_id", ["a name", None])
def test_a_claim_gets_its_job_once(two_jobs, is_done, request_id):
    with cut(at=CLAIM, is_done=is_done) as found:
        given = jobs.claim(request_id=request_id)
    assert found.happened
    assert [job["PandaID"] for job in given] == two_jobs[:1]
    assert Attempt.objects.count() == 1
    jobs.audit()


@MOMENTS
def test_a_claim_of_the_last_jobs_finds_that_they_were_given_to_it(two_jobs, is_done):
    with cut(at=CLAIM, is_done=is_done):
        assert len(jobs.claim(count=2)) == 2
    assert jobs.claim() == []
    jobs.audit()


def report_all(numbers) -> list[str]:
    """Let one job begin and fail, which is tried again, and one finish."""
    first, second = numbers
    return [
        jobs.report(first, "running"),
        jobs.report(first, "failed", pilot_error=1099),
        jobs.finish(second),
    ]


@MOMENTS
def test_a_report_counts_once_wherever_it_is_cut_off(two_jobs, is_done):
    (first, second), at, happened = two_jobs, 0, True
    while happened:
        at += 1
        jobs.claim(count=2)
        with cut(at=at, is_done=is_done) as found:
            answers = report_all((first, second))
        happened = found.happened
        assert answers == [NOTHING] * 3, at
        assert [jobs.state_of(number) for number in (first, second)] == ["activated", "finished"], at
        assert (Job.objects.get(pk=first).attempt, Attempt.objects.count()) == (2, 2), at
        jobs.audit()
        JobEvent.objects.all().delete()
        Job.objects.all().delete()
        first, second = jobs.submit(2)
    assert at > 3  # each report was cut off at least once


@MOMENTS
def test_reports_in_bulk_count_once(two_jobs, is_done):
    jobs.claim(count=2)
    updates = [JobUpdate(job_id=number, state=JobState.RUNNING, attempt=1) for number in two_jobs]
    with cut(is_done=is_done) as found:
        answers = logic.apply_updates(updates, by="pilot", now=jobs.NOW)
    assert found.happened
    assert [answer.command for answer in answers] == [NOTHING] * 2
    assert [jobs.moves_of(number)[-1] for number in two_jobs] == [(1, "running")] * 2
    jobs.audit()


def test_a_submission_is_not_repeated_and_its_caller_is_told(two_jobs):
    with cut(at=2), pytest.raises(OperationalError) as caught:
        jobs.submit()
    assert is_cut_off(caught.value)
    assert Job.objects.count() == 2


def test_what_is_cut_off_inside_another_transaction_is_left_to_who_began_that(two_jobs):
    with pytest.raises(OperationalError), transaction.atomic(), cut(at=CLAIM) as found:
        jobs.claim()
    assert found.happened
    assert Attempt.objects.count() == 0


def test_the_second_time_it_is_told(two_jobs, monkeypatch):
    monkeypatch.setattr(transactions.connection, "close", lambda: None)
    with cut(at=CLAIM), pytest.raises(Exception, match="closed") as caught:
        jobs.claim()
    assert is_cut_off(caught.value)
    monkeypatch.undo()
    connection.close()
