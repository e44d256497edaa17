"""The statements that verbs are made of: each changes only what is still as it was read."""

from __future__ import annotations

import pytest
from django.db import connection

from pilot.contract.states import JobState
from server.taskbuffer import logic
from server.taskbuffer.hot import rows
from tests.server import jobs

READ_BEFORE = {
    "another report came first": lambda job: jobs.report(job, "running"),
    "it was lost and is at another attempt": lambda job: jobs.report(job, "failed", pilot_error=1099),
    "somebody ends it": lambda job: logic.kill([job], by="test"),
    "its pilot is to be told something": lambda job: logic.command(job, "softkill"),
}


@pytest.mark.parametrize("meanwhile", READ_BEFORE)
def test_a_job_is_not_moved_when_it_is_not_any_more_as_it_was_read(queue, meanwhile):
    (number,) = jobs.submit()
    jobs.claim()
    with connection.cursor() as cursor:
        job = rows.standing(cursor, number)
        READ_BEFORE[meanwhile](number)
        before = jobs.moves_of(number)
        with pytest.raises(rows.LostRace):
            rows.move_job(cursor, job, JobState.FAILED, {})
    assert jobs.moves_of(number) == before
    jobs.audit()
