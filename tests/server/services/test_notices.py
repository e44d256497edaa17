from __future__ import annotations

from datetime import timedelta

import pytest

from server.services import logic
from server.services.models import Service
from server.services.notices import service_failing, service_late
from server.services.states import Asked
from tests.server.services.conftest import BEGIN

pytestmark = pytest.mark.django_db


def told(event, clock):
    return [(notice.key, notice.subject) for notice in event(BEGIN, clock.now)]


def test_a_service_that_is_late_is_one_occurrence_until_it_has_run(install, clock):
    known = install(it=lambda turn: {"moved": 1})
    Service.objects.update(scheduled_at=BEGIN)
    logic.run_service("test.it", "me", known=known, clock=clock)
    clock.forward(100)
    assert told(service_late, clock) == []
    clock.forward(100)
    first = told(service_late, clock)
    assert first == [("test.it:2026-03-01 12:01:00 UTC", "Service test.it is late")]
    clock.forward(5000)
    assert told(service_late, clock) == first
    logic.run_service("test.it", "me", known=known, clock=clock)
    assert told(service_late, clock) == []
    clock.forward(500)
    assert told(service_late, clock) != first


def test_a_service_that_failed_three_times_is_one_occurrence_until_it_is_well(install, clock):
    well = [True, False, False, False, False, True, False, False, False]

    def run(turn):
        if not well.pop(0):
            raise ValueError("the disk is full")
        return {"moved": 1}

    known, seen = install(it=run), []
    while well:
        logic.run_service("test.it", "me", known=known, clock=clock, asked=Asked.PERSON)
        clock.forward(1)
        seen.append([key for key, _ in told(service_failing, clock)])
    assert [len(keys) for keys in seen] == [0, 0, 0, 1, 1, 0, 0, 0, 1]
    assert seen[3] == seen[4] != seen[8]
    (notice,) = service_failing(BEGIN - timedelta(days=1), clock.now)
    assert notice.text == "3 times in a row, at last: ValueError: the disk is full"
