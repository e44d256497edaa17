"""Retries come later each time, and only for tasks that are on their way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.production import logic
from server.production.models import Chunk
from server.production.steps import collect, retry, submit
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


def test_a_paused_task_retries_nothing(failures):
    logic.move_task("mc2016_gen", "paused", by="manager")
    assert retry.retry_failed() == 0
