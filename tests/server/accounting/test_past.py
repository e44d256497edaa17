"""The past counts as cores on average, and fades."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.accounting.past import DAY, average_cores, days_back

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WEEK = 7 * DAY


def steady(cores: float, *, first: int, last: int) -> list[tuple[str, object, float]]:
    """Use so many cores from so many days ago until so many days ago; of today, half."""
    days = range(last, first + 1)
    return [("A", NOON.date() - timedelta(days=n), cores * (DAY / 2 if n == 0 else DAY)) for n in days]


def test_who_always_had_the_same_cores_is_told_these():
    assert average_cores(steady(8, first=70, last=0), NOON, WEEK)["A"] == pytest.approx(8, rel=0.01)


def test_after_a_half_life_without_use_half_is_left():
    assert average_cores(steady(8, first=77, last=7), NOON, WEEK)["A"] == pytest.approx(4, rel=0.06)


def test_what_is_older_than_what_is_read_counts_for_nearly_nothing():
    oldest = days_back(WEEK)
    assert average_cores(steady(8, first=500, last=oldest + 1), NOON, WEEK)["A"] < 8 / 200


def test_midnight_changes_nothing_at_once():
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    rows = [("A", NOON.date(), 1000.0)]
    before, after = (average_cores(rows, midnight + timedelta(seconds=s), WEEK)["A"] for s in (-1, 0))
    assert before == pytest.approx(after, rel=1e-4)


def test_a_day_that_has_not_begun_by_this_clock_counts_as_now():
    rows = [("A", NOON.date() + timedelta(days=1), 1000.0)]
    assert average_cores(rows, NOON, WEEK)["A"] > average_cores([("A", NOON.date(), 1000.0)], NOON, WEEK)["A"]
