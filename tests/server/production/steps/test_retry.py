"""Retries come later each time, and only for tasks that are on their way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.production import logic
from server.production.models import Chunk
from server.production.steps import collect, retry, submit
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.logic import reset as resets
from server.taskbuffer.models import Job
from tests.server.production.conftest import failed


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 60), (2, 120), (5, 960), (11, 61440), (12, 86400), (90, 86400)])
def test_each_further_attempt_waits_twice_as_long_up_to_a_day(settings, attempts, seconds):
    settings.PRODUCTION = {}
    assert retry.delay(attempts) == timedelta(seconds=seconds)


@pytest.fixture
def failures(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1246)
    submit.submit_chunks()
    pilot.run()
    collect.collect()
    assert Chunk.objects.filter(state="failed").count() == 6
    return tasks


def test_a_retry_waits_for_its_time(failures, settings):
    settings.PRODUCTION = {"retry_delay": 3600}
    now = timezone.now()
    assert retry.retry_failed(now) == 0
    assert retry.retry_failed(now + timedelta(hours=1, seconds=1)) == 6
    assert retry.retry_failed(now + timedelta(days=9)) == 0
    assert set(Chunk.objects.filter(task=failures[0]).values_list("state", "attempts")) == {("sent", 2)}


def test_days_count_in_the_wait_for_a_retry(failures, settings):
    """A wait of a day is a day, not the seconds beside it."""
    settings.PRODUCTION = {"retry_delay": 10 * 86400}
    now = timezone.now()
    assert retry.retry_failed(now + timedelta(hours=23, minutes=59)) == 0
    assert retry.retry_failed(now + timedelta(days=1, seconds=5)) == 6


def test_a_paused_task_retries_nothing(failures):
    logic.move_task("mc2016_gen", "paused", by="manager")
    assert retry.retry_failed() == 0


def test_a_task_that_is_cancelled_meanwhile_gets_no_attempt(failures, monkeypatch):
    def late(attempts):
        logic.move_task("mc2016_gen", "cancelled", by="manager")
        return timedelta(0)

    monkeypatch.setattr(retry, "delay", late)
    assert retry.retry_failed() == 0
    assert set(Job.objects.values_list("state", flat=True)) == {"failed"}


def test_a_job_that_a_person_tried_again_gets_no_second_one(failures):
    chunks = Chunk.objects.filter(task=failures[0]).order_by("id")
    first, second, *others = chunks.values_list("job_id", flat=True)
    taskbuffer.retry([first, second], by="person")
    taskbuffer.kill([second], by="person")
    assert retry.retry_failed() == 5
    assert dict(chunks.values_list("job_id", "state")) == {
        first: "failed",
        None: "staged",
        **dict.fromkeys(others, "sent"),
    }
    collect.collect()
    assert Chunk.objects.get(job_id=first).state == "sent"


def test_a_job_that_another_one_has_replaced_is_not_reset(failures, settings):
    settings.PRODUCTION = {"retry_delay": 0, "failing_jobs": 100}
    chunks = Chunk.objects.filter(task=failures[0]).order_by("id")
    first, second, *_ = chunks.values_list("job_id", flat=True)
    taskbuffer.retry([first], by="person")
    taskbuffer.kill([first], by="person")
    assert retry.retry_failed() == 6
    submit.submit_chunks()
    taskbuffer.kill([second], by="person")
    assert resets.preview([first, second]).jobs == (second,)
    done = resets.reset(resets.numbers_of_task(failures[0].pk), by="person", why="the disk was full")
    assert done.jobs == (second,)
    assert done.refused == {first: "its production has given it up for another job"}
    queued = Job.objects.filter(state="activated", task_id=failures[0].pk)
    assert set(queued.values_list("pk", flat=True)) == set(chunks.values_list("job_id", flat=True))


def test_many_retries_are_ordered_in_short_transactions(failures, monkeypatch):
    monkeypatch.setattr(retry, "AT_ONCE", 4)
    assert retry.retry_failed() == 6
    assert set(Job.objects.values_list("state", "attempt")) == {("activated", 2)}
