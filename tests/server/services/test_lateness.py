from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.services.lateness import LONGEST_RUN, Standing, grace_of, late_since

DUE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SERVICE = Standing(enabled=True, due=DUE, period=timedelta(minutes=5))
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("period", "grace"), [(1, 60), (60, 60), (300, 300), (86400, 3600), (None, 3600)], ids=str)
def test_the_grace_is_a_period_between_a_minute_and_an_hour(period, grace):
    assert grace_of(None if period is None else timedelta(seconds=period)) == timedelta(seconds=grace)


def test_a_service_is_late_when_its_time_and_the_grace_have_passed():
    end = DUE + timedelta(minutes=5)
    assert late_since(SERVICE, end) is None
    assert late_since(SERVICE, end + SECOND) == end


@pytest.mark.parametrize("change", [{"enabled": False}, {"due": None}])
def test_one_that_is_off_or_never_was_due_is_not_late(change):
    assert late_since(replace(SERVICE, **change), DUE + timedelta(days=9)) is None


def test_one_that_runs_is_late_only_when_it_runs_for_hours():
    running = replace(SERVICE, running=True)
    assert late_since(running, DUE + LONGEST_RUN) is None
    assert late_since(running, DUE + LONGEST_RUN + SECOND) == DUE + LONGEST_RUN
