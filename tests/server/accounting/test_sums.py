"""What moves add up to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pilot.contract.states import MOVES, WITH_PILOT, JobState
from server.accounting.sums import Facts, Move, Try, tally

AT = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
FACTS = Facts(user="ada", group="", share="", queue="LAST", task_id=0, label="managed", cores=2)


def move(before: str = "running", after: str = "finished", **fields) -> Move:
    return Move(**{"number": 1, "job": 7, "attempt": 1, "before": before, "after": after, "at": AT, **fields})


def facts(**tries: Try) -> dict[int, Facts]:
    numbered = {int(name.removeprefix("n")): one for name, one in tries.items()}
    return {7: Facts(**{**vars(FACTS), "tries": numbered})}


@pytest.mark.parametrize(("before", "after"), sorted(MOVES))
def test_an_attempt_ends_where_its_pilot_loses_the_job(before, after):
    expected = before in WITH_PILOT and after not in WITH_PILOT
    assert move(before.value, after.value).ends_attempt == expected


def test_the_day_is_that_of_utc():
    zone = timezone(timedelta(hours=2))
    found = tally([move(at=AT.astimezone(zone))], facts(n1=Try("A", "finished")))
    assert {key.day.isoformat() for key in found.usage} == {"2026-11-21"}


@pytest.mark.parametrize(
    ("tries", "queue"),
    [({}, "LAST"), ({"n1": Try("A")}, "LAST"), ({"n1": Try("A"), "n3": Try("C"), "n4": Try("D")}, "C")],
)
def test_an_end_without_an_attempt_counts_at_the_queue_of_the_next_attempt_or_of_the_job(tries, queue):
    found = tally([move("activated", "closed", attempt=2)], facts(**tries))
    assert {key.queue for key in found.usage} == {queue}


@pytest.mark.parametrize(("moment", "jobs"), [(AT, 0), (AT + timedelta(microseconds=1), 1)])
def test_a_failure_that_is_tried_again_at_the_same_moment_ends_no_job(moment, jobs):
    found = tally([move(after="failed")], facts(n1=Try("A", "failed")), again={(7, moment)})
    (sums,) = found.usage.values()
    assert (sums["jobs_failed"], sums["attempts_failed"]) == (jobs, 1)


def test_moves_of_a_job_that_nobody_knows_count_nothing():
    assert not tally([move(), move(JobState.SENT.value, "running")], {}).usage
