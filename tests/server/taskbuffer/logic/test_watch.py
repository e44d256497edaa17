"""The watchdog over states."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pilot.contract.states import JobState
from server.pandaconfig.logic import define_queue
from server.pandaconfig.models import Schedconfig
from server.services.registry import Turn
from server.taskbuffer import logic, queries
from server.taskbuffer.blocked import Blocked
from server.taskbuffer.limits import WAITS, Limits
from server.taskbuffer.logic import watch
from server.taskbuffer.models import Attempt, Job, JobEvent, Ready, Waiting, Walk
from server.taskbuffer.tasks import watchdog
from tests.server import jobs

LIMITS = Limits()
DAY = 86400.0


def keep() -> None:
    """Nobody waits for a sign of life."""


def at(seconds: float) -> dict[str, object]:
    return {"now": jobs.NOW + timedelta(seconds=seconds), "limits": LIMITS, "by": "watchdog", "keep": keep}


GRACE = 600.0


def fail_impossible(after: float = 0.0, grace: float = GRACE) -> int:
    return watch.fail_impossible(now=jobs.NOW + timedelta(seconds=after), grace=grace, by="watchdog", keep=keep)


@pytest.fixture
def queue(queue):
    """One that was changed last before the jobs of these tests come."""
    Schedconfig.objects.update(lastmod=jobs.NOW - timedelta(days=1))
    return queue


@pytest.mark.parametrize("state", ["defined", "waiting", "assigned"])
def test_a_job_that_waits_for_too_long_is_closed_and_says_why(queue, state):
    (job_id,) = jobs.submit(waits=True)
    if state != "defined":
        logic.place([job_id], JobState(state), by="test", now=jobs.NOW)
    limit = LIMITS.of(WAITS[JobState(state)])
    assert watch.expire_waiting(**at(limit)) == 0
    assert watch.expire_waiting(**at(limit + 1)) == 1
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.taskbuffer_error) == ("closed", 102)
    assert job.server_error_words.startswith(
        f"{state} since 2026-11-21 12:00, longer than COMPASS_SERVER_{state.upper()}"
    )
    assert jobs.file_states(job_id) == {"out.root": "failed", "job.log.tgz": "failed"}
    jobs.audit()


def test_another_state_begins_its_time_anew(queue):
    (job_id,) = jobs.submit(waits=True)
    logic.place([job_id], JobState.WAITING, by="test", now=jobs.NOW + timedelta(days=6))
    assert watch.expire_waiting(**at(8 * DAY)) == 0
    assert watch.expire_waiting(**at(14 * DAY)) == 1


def test_outputs_that_merge_for_too_long_fail(queue):
    (job_id,) = jobs.submit(waits=True)
    Job.objects.filter(pk=job_id).update(state="merging")
    Waiting.objects.filter(pk=job_id).update(state="merging")
    JobEvent.objects.filter(job=job_id).update(after="merging")
    assert watch.expire_waiting(**at(8 * DAY)) == 1
    assert jobs.state_of(job_id) == "failed"
    jobs.audit()


def test_a_job_that_moved_while_the_watchdog_looked_is_left_alone(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    assert watch._end_all({job_id: "too long"}, watch.EXPIRED, jobs.NOW, "watchdog") == 0
    assert jobs.state_of(job_id) == "sent"


def test_a_job_that_stands_in_the_queue_for_too_long_is_closed(queue):
    (job_id,) = jobs.submit()
    assert watch.expire_queued(**at(7 * DAY)) == 0
    assert watch.expire_queued(**at(7 * DAY + 1)) == 1
    assert jobs.state_of(job_id) == "closed"
    jobs.audit()


def test_a_queue_that_is_offline_keeps_its_jobs_for_a_shorter_time_and_says_so_at_once(queue):
    (job_id,) = jobs.submit()
    Schedconfig.objects.update(status="offline", lastmod=jobs.NOW)
    assert queries.why_not_now(Job.objects.get(pk=job_id)).startswith("status: queue 'LOCAL' is offline")
    assert watch.expire_queued(**at(2 * DAY)) == 0
    assert watch.expire_queued(**at(2 * DAY + 1)) == 1
    assert "COMPASS_SERVER_OFFLINE_TIMEOUT" in Job.objects.get(pk=job_id).server_error_words


def test_the_time_of_a_queue_that_is_offline_begins_when_it_went_offline(queue):
    (job_id,) = jobs.submit()
    Schedconfig.objects.update(status="offline", lastmod=jobs.NOW + timedelta(days=3))
    assert watch.expire_queued(**at(3 * DAY + 60)) == 0
    assert watch.expire_queued(**at(5 * DAY)) == 0
    assert watch.expire_queued(**at(5 * DAY + 1)) == 1
    assert jobs.state_of(job_id) == "closed"


def test_the_walk_through_the_queue_goes_on_where_it_stopped_and_begins_anew(queue, monkeypatch):
    monkeypatch.setattr(watch, "PIECE", 2)
    numbers = jobs.submit(5)
    Job.objects.filter(pk__in=numbers[:4]).update(activated_at=jobs.NOW + timedelta(days=9))  # they were tried again
    assert watch.expire_queued(**at(10 * DAY)) == 0
    assert watch.expire_queued(**at(10 * DAY)) == 0
    assert Walk.objects.get(pk="ready").position == numbers[3]
    assert watch.expire_queued(**at(10 * DAY)) == 1
    assert Walk.objects.get(pk="ready").position == 0
    assert jobs.state_of(numbers[4]) == "closed"


def test_a_young_queue_is_looked_at_from_its_begin_only(queue, monkeypatch):
    monkeypatch.setattr(watch, "PIECE", 2)
    jobs.submit(5)
    watch.expire_queued(**at(60))
    assert not Walk.objects.exists()


@pytest.mark.parametrize(("state", "days", "code"), [("starting", 2, 105), ("transferring", 6, 104)])
def test_a_pilot_that_does_not_get_on_loses_its_job_though_it_is_heard(queue, state, days, code):
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.report(job_id, state)
    jobs.report(job_id, state, now=jobs.NOW + timedelta(days=days))
    assert watch.end_overstays(**at(days * DAY)) == 0
    assert watch.end_overstays(**at(days * DAY + 1)) == 1
    assert jobs.state_of(job_id) == "activated"
    assert Attempt.objects.get().dispatcher_error == code
    assert jobs.report(job_id, state) == "tobekilled"
    jobs.audit()


def test_a_job_that_runs_for_weeks_is_ended_by_its_pilot(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.report(job_id, "running")
    assert watch.end_overstays(**at(21 * DAY)) == 0
    assert watch.end_overstays(**at(21 * DAY + 1)) == 1
    assert watch.end_overstays(**at(22 * DAY)) == 0
    assert jobs.report(job_id, "running") == "tobekilled"
    assert jobs.report(job_id, "failed") == "NULL"
    assert jobs.state_of(job_id) == "cancelled"
    jobs.audit()


@pytest.mark.parametrize("waits", [False, True])
def test_a_job_that_no_pilot_can_run_fails_in_one_turn_and_can_be_tried_again_when_that_was_mended(queue, waits):
    (job_id,) = jobs.submit(cores=9, waits=waits)
    (fits,) = jobs.submit(cores=8, waits=waits)
    assert fail_impossible() == 1
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.taskbuffer_error) == ("failed", 500)
    assert job.server_error_words.startswith("coreCount: 9 are asked for, and queue 'LOCAL' has at most 8")
    assert JobEvent.objects.filter(job=job_id).last().detail == job.server_error_words
    assert jobs.state_of(fits) != "failed"
    assert fail_impossible() == 0
    define_queue({"nickname": "LOCAL", "status": "online", "corecount": 16})
    assert logic.retry([job_id], by="test") == {}
    assert fail_impossible() == 0
    jobs.audit()


def test_jobs_of_a_queue_that_was_removed_fail_when_their_grace_is_over(queue):
    numbers = jobs.submit(3)
    jobs.claim(count=1)
    Schedconfig.objects.all().delete()
    assert [fail_impossible(after) for after in (0, 15, GRACE - 1, GRACE)] == [0, 0, 0, 2]
    assert [jobs.state_of(number) for number in numbers] == ["sent", "failed", "failed"]


def test_the_grace_is_no_longer_where_the_clock_was_put_back_since(queue):
    jobs.submit(cores=8)
    Schedconfig.objects.update(corecount=4, lastmod=jobs.NOW + timedelta(seconds=1))
    assert fail_impossible(3 * 3600) == 0
    assert fail_impossible(2) == 0
    assert fail_impossible(GRACE + 1) == 0
    assert fail_impossible(GRACE + 3) == 1


@pytest.mark.parametrize("waits", [False, True])
def test_a_queue_that_is_mended_in_time_keeps_its_jobs_and_the_next_slip_has_a_grace_of_its_own(queue, waits):
    (job_id,) = jobs.submit(cores=8, waits=waits)
    for slip in (0, 1000):
        Schedconfig.objects.update(corecount=4, lastmod=jobs.NOW + timedelta(seconds=slip + 1))
        assert fail_impossible(slip + 2) == 0
        assert fail_impossible(slip + 500) == 0
        Schedconfig.objects.update(corecount=8)
        assert fail_impossible(slip + 600) == 0
    assert jobs.state_of(job_id) != "failed"
    assert not Blocked.objects.exists()


def test_a_job_that_comes_while_others_of_its_kind_have_their_grace_fails_at_once(queue):
    jobs.submit(cores=8)
    Schedconfig.objects.update(corecount=4, lastmod=jobs.NOW + timedelta(seconds=1))
    assert fail_impossible(2) == 0
    (late,) = jobs.submit(cores=8)
    Job.objects.filter(pk=late).update(created_at=jobs.NOW + timedelta(seconds=3))
    assert fail_impossible(4) == 1
    assert jobs.state_of(late) == "failed"


def test_a_job_whose_queue_was_changed_says_when_it_fails(queue, monkeypatch):
    (job_id,) = jobs.submit(cores=8)
    Schedconfig.objects.update(corecount=4, lastmod=jobs.NOW + timedelta(seconds=1))
    fail_impossible(10)
    monkeypatch.setattr(queries.timezone, "now", lambda: jobs.NOW + timedelta(seconds=20))
    said = queries.why_not_now(Job.objects.select_related("bucket").get(pk=job_id))
    assert said.startswith("coreCount: 8 are asked for, and queue 'LOCAL' has at most 4")
    assert said.endswith("; the job fails at 2026-11-21 12:10:10 UTC unless that is mended")


def test_a_job_that_was_impossible_when_it_came_says_that_it_fails_soon(queue):
    (job_id,) = jobs.submit(cores=9)
    said = queries.why_not_now(Job.objects.select_related("bucket").get(pk=job_id))
    assert said.endswith("; the job fails within a minute unless that is mended")


def test_without_grace_nothing_waits(queue):
    jobs.submit(2)
    Schedconfig.objects.all().delete()
    assert fail_impossible(grace=0.0) == 2


def test_limits_may_stand_beside_the_columns(queue):
    define_queue({"nickname": "OTHER", "status": "online", "maxtime": 3600})
    beside = Schedconfig.objects.get(pk="OTHER")
    beside.maxtime = 0
    beside.save()
    beside.json.data = {"maxtime": "3600", "maxrss": None}
    beside.json.save()
    Schedconfig.objects.update(lastmod=jobs.NOW)
    (job_id,) = jobs.submit(queue="OTHER", max_walltime=3601)
    assert fail_impossible() == 1
    assert "3600 s (maxtime)" in Job.objects.get(pk=job_id).server_error_words


def test_a_turn_costs_the_same_however_many_jobs_there_are_and_reads_none_of_them(queue):
    turn, counted = Turn("taskbuffer.watchdog", jobs.NOW, keep), []
    for count in (1, 40):
        jobs.submit(count)
        jobs.submit(count, waits=True)
        jobs.claim()
        with CaptureQueriesContext(connection) as seen:
            watchdog(turn)
        counted.append(len(seen))
        assert not [query["sql"] for query in seen if 'FROM "taskbuffer_job" WHERE' in query["sql"]]
    assert counted[0] == counted[1]


def test_one_turn_of_the_service_looks_at_everything(queue):
    (lost,) = jobs.submit()
    jobs.claim()
    impossible, old = (*jobs.submit(cores=9), *jobs.submit(waits=True))
    later = jobs.NOW + timedelta(days=8)
    found = watchdog(Turn("taskbuffer.watchdog", later, keep))
    ended = {"again": 1, "failed": 0, "cancelled": 0, "impossible": 1, "expired": 1, "overstayed": 0}
    assert found == ended
    assert [jobs.state_of(number) for number in (impossible, old, lost)] == ["failed", "closed", "activated"]
    assert Ready.objects.count() == 1
    assert watchdog.period <= 30  # an impossible job is to be told within a minute
