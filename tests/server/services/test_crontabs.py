from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from server.services.crontabs import Crontab, NeverComes, next_after, parse

GENEVA = "Europe/Zurich"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def series(what: Crontab, begin: str, number: int) -> list[str]:
    found, moment = [], at(begin)
    for _ in range(number):
        moment = next_after(what, moment)
        found.append(moment.strftime("%d %H:%M"))
    return found


def test_a_daily_one_keeps_its_time_on_the_wall_when_clocks_change():
    daily = parse("0 12 * * *", GENEVA)
    assert series(daily, "2026-03-28T00:00", 3) == ["28 11:00", "29 10:00", "30 10:00"]
    assert series(daily, "2026-10-24T00:00", 3) == ["24 10:00", "25 11:00", "26 11:00"]


def test_a_time_that_spring_leaves_out_comes_an_hour_later_on_the_wall():
    assert series(parse("30 2 * * *", GENEVA), "2026-03-28T00:00", 3) == ["28 01:30", "29 01:30", "30 00:30"]


def test_a_time_that_autumn_shows_twice_comes_once():
    assert series(parse("30 2 * * *", GENEVA), "2026-10-24T00:00", 3) == ["24 00:30", "25 00:30", "26 01:30"]


@pytest.mark.parametrize("day", ["2026-03-28T22:00", "2026-10-24T22:00"])
@pytest.mark.parametrize("text", ["*/20 * * * *", "0 * * * *"])
def test_what_comes_at_every_hour_is_even_over_both_changes(text, day):
    what, moments = parse(text, GENEVA), [at(day)]
    while len(moments) < 20:
        moments.append(next_after(what, moments[-1]))
    assert len({later - earlier for earlier, later in pairwise(moments)}) == 1


def test_the_next_time_is_never_the_moment_itself():
    assert next_after(parse("0 4 * * *", "UTC"), at("2026-01-01T04:00")) == at("2026-01-02T04:00")
    assert next_after(parse("0 4 * * *", "UTC"), at("2026-01-01T03:59:59")) == at("2026-01-01T04:00")


def test_a_zone_half_an_hour_off_and_one_that_left_out_a_day_are_right():
    assert next_after(parse("0 9 * * *", "Asia/Kolkata"), at("2026-01-01T00:00")) == at("2026-01-01T03:30")
    assert series(parse("0 9 * * *", "Pacific/Apia"), "2011-12-29T18:00", 3) == ["29 19:00", "30 19:00", "31 19:00"]


def test_days_of_week_and_month_hold_at_once_and_sunday_is_nought():
    assert next_after(parse("0 4 1 * 1", "UTC"), at("2026-01-02T00:00")) == at("2026-06-01T04:00")
    assert next_after(parse("0 4 * * 0", "UTC"), at("2026-11-23T00:00")) == at("2026-11-29T04:00")


def test_the_29th_of_february_is_found_over_a_century_without():
    assert next_after(parse("0 0 29 2 *", "UTC"), at("2096-03-01T00:00")) == at("2104-02-29T00:00")


@pytest.mark.parametrize(
    ("text", "zone", "words"),
    [
        ("0 4 * *", "UTC", "has 4 fields; a crontab has five"),
        ("60 4 * * *", "UTC", "minute: '60' cannot be read"),
        ("0 25 * * *", "UTC", "hour: '25'"),
        ("0 4 0 * *", "UTC", "day of month: '0'"),
        ("0 4 * 13 *", "UTC", "month of year: '13'"),
        ("0 4 * * someday", "UTC", "day of week: 'someday'"),
        ("*/0 * * * *", "UTC", "minute: '\\*/0'"),
        ("0 4 * * *", "Mars/Olympus", "'Mars/Olympus' is no time zone"),
        ("0 4 * * *", "../../etc/passwd", "is no time zone"),
        ("0 4 * * *", "", "is no time zone"),
    ],
)
def test_what_cannot_be_read_is_refused_by_field_with_a_remedy(text, zone, words):
    with pytest.raises(ValueError, match=words):
        parse(text, zone)


def test_a_day_that_no_year_has_is_refused():
    with pytest.raises(NeverComes, match="there is no such day"):
        parse("0 4 30 2 *", "UTC")
