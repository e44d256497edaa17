"""What the end of a pilot adds to the sums of its day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.pilots.sums import COLUMNS, Ended, Span, busy, sums_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def span(begin: float, end: float | None, state: str = "finished") -> Span:
    return Span(at(begin), None if end is None else at(end), state)


@pytest.mark.parametrize(
    ("tries", "seconds"),
    [
        ([], 0),
        ([span(10, 40)], 30),
        ([span(10, 40), span(50, 90)], 70),
        ([span(10, 40), span(20, 30), span(35, 60)], 50),  # several at a time are one
        ([span(50, 90), span(10, 40)], 70),
        ([span(-50, 20), span(90, 150)], 30),  # what is outside of its time is not its own
        ([span(60, None)], 40),  # nobody said how it ended: the pilot's end is its
        ([span(200, 300)], 0),
    ],
)
def test_a_pilot_is_busy_while_it_has_at_least_one_job(tries, seconds):
    assert busy(at(0), at(100), tries) == seconds


@pytest.mark.parametrize(
    ("pilot", "tries", "expected"),
    [
        (Ended(at(0), at(100), 0, False, 1), [span(10, 90)], {"jobs": 1, "wall_seconds": 100, "busy_seconds": 80}),
        (Ended(at(0), at(9), 82, False, 0), [], {"jobless": 1, "wall_seconds": 9}),
        (Ended(at(0), at(9), 94, False, 0), [], {"jobless": 1, "failed": 1, "quick": 1, "wall_seconds": 9}),
        (Ended(at(0), at(900), 137, False, 0), [], {"jobless": 1, "failed": 1, "wall_seconds": 900}),
        (Ended(None, at(9), None, True, 0), [], {"jobless": 1, "lost": 1}),
        (Ended(at(0), at(9), None, False, 0), [], {"jobless": 1, "wall_seconds": 9}),
        (
            Ended(at(0), at(9), 90, False, 3),
            [span(1, 9, "failed")],
            {"jobs": 3, "jobs_failed": 1, "wall_seconds": 9, "busy_seconds": 8},
        ),
        (Ended(at(9), at(0), 0, False, 0), [], {"jobless": 1}),  # two clocks
    ],
)
def test_each_end_adds_what_it_was(pilot, tries, expected):
    found = dict(zip(COLUMNS, map(int, sums_of(pilot, tries)), strict=True))
    assert found == {**dict.fromkeys(COLUMNS, 0), "pilots": 1, **expected}
