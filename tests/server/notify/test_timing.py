from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from server.notify.states import Digest
from server.notify.timing import MOST_TRIES, is_quiet, is_ripe, wait_after

GENEVA = ZoneInfo("Europe/Zurich")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_wait_doubles_up_to_six_hours_and_ends_after_about_two_days():
    waits = [wait_after(tries) for tries in range(1, MOST_TRIES)]
    assert waits[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert waits[-1] == timedelta(hours=6)
    assert timedelta(days=1) < sum(waits, timedelta()) < timedelta(days=3)
    assert wait_after(MOST_TRIES) is None


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2026-07-01T19:59", False),  # 21:59 in Geneva
        ("2026-07-01T20:00", True),
        ("2026-07-02T04:59", True),
        ("2026-07-02T05:00", False),
        ("2026-01-01T20:30", False),  # in winter it is 21:30 there
    ],
)
def test_quiet_hours_go_over_midnight_by_the_clock_on_the_wall(moment, quiet):
    assert is_quiet(at(moment), time(22), time(7), GENEVA) is quiet


def test_quiet_hours_within_a_day_hold_and_none_are_none():
    assert is_quiet(at("2026-01-01T13:00"), time(12), time(14), ZoneInfo("UTC"))
    assert not is_quiet(at("2026-01-01T14:00"), time(12), time(14), ZoneInfo("UTC"))
    assert not is_quiet(at("2026-01-01T13:00"), None, time(14), ZoneInfo("UTC"))
    assert not is_quiet(at("2026-01-01T13:00"), time(13), time(13), ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("digest", "oldest", "now", "ripe"),
    [
        (Digest.AT_ONCE, "2026-01-01T12:00", "2026-01-01T12:00", True),
        (Digest.HOURLY, "2026-01-01T12:01", "2026-01-01T12:59", False),
        (Digest.HOURLY, "2026-01-01T12:01", "2026-01-01T13:00", True),
        (Digest.HOURLY, "2026-10-25T00:30", "2026-10-25T01:30", True),  # both are 02:30 in Geneva
        (Digest.DAILY, "2026-01-01T12:00", "2026-01-02T05:59", False),
        (Digest.DAILY, "2026-01-01T12:00", "2026-01-02T06:00", True),  # seven in Geneva
        (Digest.DAILY, "2026-01-02T05:00", "2026-01-02T06:00", True),
        (Digest.DAILY, "2026-01-02T06:30", "2026-01-02T23:00", False),
    ],
)
def test_what_has_gathered_is_sent_at_the_end_of_the_hour_or_at_seven(digest, oldest, now, ripe):
    assert is_ripe(digest, at(oldest), at(now), GENEVA) is ripe
