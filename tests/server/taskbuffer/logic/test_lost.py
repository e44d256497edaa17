"""The watchdog."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pilot.contract.server_codes import DispatcherCode
from server.pandaconfig.models import Schedconfig
from server.taskbuffer import logic
from server.taskbuffer.logic import Limits, Reaped, lost
from server.taskbuffer.models import Attempt, Job, Live
from tests.server import jobs

LIMITS = Limits(sent=1800, heartbeat=7200)


def after(seconds: float, **fields) -> Reaped:
    return logic.reap_lost(now=jobs.NOW + timedelta(seconds=seconds), limits=LIMITS, **fields)


def test_a_pilot_that_never_answered_is_lost_after_half_an_hour(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    assert after(1799) == Reaped()
    assert after(1801) == Reaped(again=1)
    assert Attempt.objects.get().dispatcher_error == 102
    assert jobs.moves_of(job_id) == [(1, "activated"), (1, "sent"), (1, "activated")]
    assert jobs.claim()[0]["attemptNr"] == 2
    jobs.audit()


def test_a_running_job_is_lost_after_two_hours_of_silence(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.report(job_id, "running", now=jobs.NOW + timedelta(seconds=60))
    assert after(7200) == Reaped()
    assert after(7261) == Reaped(again=1)
    attempt = Attempt.objects.get()
    assert (attempt.state, attempt.dispatcher_error) == ("failed", 100)
    assert attempt.server_error_words == "no heartbeat of the pilot for too long: last heard 7201 s ago"


def test_a_heartbeat_keeps_a_job(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    for hour in range(1, 30):
        jobs.report(job_id, "running", now=jobs.NOW + timedelta(hours=hour))
        assert after(hour * 3600 + 3600) == Reaped()
    assert jobs.state_of(job_id) == "running"


def test_a_pilot_that_was_heard_by_a_clock_that_was_put_back_since_is_lost_as_long_after_that_as_any(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.report(job_id, "running", now=jobs.NOW + timedelta(days=3))
    assert after(0) == after(7200) == Reaped()
    assert after(7201) == Reaped(again=1)
    jobs.audit()


def test_clocks_of_the_servers_machines_may_differ_by_a_minute(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.report(job_id, "running", now=jobs.NOW + timedelta(seconds=59))
    assert after(0) == Reaped()
    assert Live.objects.get().heartbeat == jobs.NOW.timestamp() + 59


def test_the_last_attempt_fails_with_the_reason(queue):
    (job_id,) = jobs.submit(max_attempts=1)
    jobs.claim()
    assert after(9000) == Reaped(failed=1)
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.dispatcher_error) == ("failed", 102)
    assert job.ended_at is not None
    jobs.audit()


def test_a_killed_job_whose_pilot_is_lost_is_cancelled(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    logic.kill([job_id], by="alice")
    assert after(9000) == Reaped(cancelled=1)
    assert jobs.state_of(job_id) == "cancelled"


def test_a_lost_pilot_that_comes_back_is_told_to_stop(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    after(9000)
    assert jobs.report(job_id, "running") == "tobekilled"
    jobs.claim()
    assert jobs.finish(job_id, 1) == "tobekilled"
    assert jobs.state_of(job_id) == "sent"
    jobs.audit()


def test_a_pilot_that_speaks_while_the_watchdog_looks_keeps_its_job(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    seen = Live.objects.get()
    late = jobs.NOW + timedelta(hours=3)
    jobs.report(job_id, "running", now=late)
    with connection.cursor() as cursor:
        assert lost.put_right(cursor, seen, DispatcherCode.LOST_HEARTBEAT, "", late, "watchdog") is lost.End.NOT_LOST
    assert jobs.state_of(job_id) == "running"
    jobs.audit()


def test_many_lost_jobs_are_put_right_in_small_batches(queue):
    jobs.submit(250)
    for _ in range(3):
        jobs.claim(count=100)
    assert after(9000) == Reaped(again=250)
    assert not Live.objects.exists()
    jobs.audit()


def test_the_limits_are_settings(queue, settings):
    settings.ENVIRONMENT = settings.ENVIRONMENT.__class__(sent_timeout=10)
    jobs.submit()
    jobs.claim()
    assert logic.reap_lost(now=jobs.NOW + timedelta(seconds=11)) == Reaped(again=1)


@pytest.mark.parametrize(
    ("state", "fields", "hours", "code"),
    [
        ("starting", {}, 2, 100),
        ("transferring", {}, 2, 104),
        ("holding", {"label": "user"}, 3, 103),
        ("holding", {"priority": 801}, 3, 103),
        ("holding", {"priority": 800}, 48, 103),
    ],
)
def test_every_state_of_a_pilots_job_has_its_own_silence_and_its_own_code(queue, state, fields, hours, code):
    (job_id,) = jobs.submit(**fields)
    jobs.claim()
    jobs.report(job_id, state)
    assert after(hours * 3600) == Reaped()
    assert after(hours * 3600 + 1) == Reaped(again=1)
    assert Attempt.objects.get().dispatcher_error == code
    jobs.audit()


def test_a_pilot_of_a_paused_queue_may_be_silent_while_its_job_runs(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.report(job_id, "running")
    Schedconfig.objects.update(status="paused")
    assert after(9000) == Reaped()
    Schedconfig.objects.update(status="online")
    assert after(9000) == Reaped(again=1)


def test_the_watchdog_holds_a_job_before_its_small_row_as_its_pilot_does(queue):
    jobs.submit()
    jobs.claim()
    with CaptureQueriesContext(connection) as executed:
        assert after(1801) == Reaped(again=1)
    texts = [each["sql"] for each in executed]
    read = next(at for at, text in enumerate(texts) if text.startswith("SELECT state, attempt"))
    dropped = next(at for at, text in enumerate(texts) if text.startswith("DELETE FROM taskbuffer_live"))
    assert read < dropped
    assert texts[read].endswith("FOR UPDATE") == connection.features.has_select_for_update
