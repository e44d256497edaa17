"""When a crontab comes next: by the clocks on a wall in its time zone, over their changes. No tables here.

What is meant for a time that clocks leave out in spring comes as much later as they are put on. What comes at some
hours only comes once when clocks show a time twice in autumn; what comes at every hour comes in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from celery.schedules import ParseException, crontab

#: The longest time between two days of a crontab, in days: a 29th of February that is a Monday, over a year without.
_DAYS = 41 * 366
_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


@dataclass(frozen=True)
class Crontab:
    """The five fields as they are written, and the name of the time zone that they are meant in."""

    minute: str = "*"
    hour: str = "*"
    day_of_month: str = "*"
    month_of_year: str = "*"
    day_of_week: str = "*"
    zone: str = "UTC"

    def __str__(self) -> str:
        return " ".join([self.minute, self.hour, self.day_of_month, self.month_of_year, self.day_of_week])

    @property
    def tzinfo(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


class NeverComes(ValueError):
    """There is no such day, such as the 30th of February."""


def parse(text: str, zone: str) -> Crontab:
    """Read ``minute hour day-of-month month day-of-week``, with blanks between.

    All that is said of the day must hold at once: ``0 4 1 * 1`` comes on the first of a month if that is a Monday.

    Raises:
        ValueError: these are not five fields, or one of them or the time zone cannot be read.
        NeverComes: no day is as they say.
    """
    words = text.split()
    if len(words) != len(_FIELDS):
        raise ValueError(
            f"{text!r} has {len(words)} fields; a crontab has five: minute hour day-of-month month day-of-week,"
            " such as 30 4 * * 1-5"
        )
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{zone!r} is no time zone; write UTC or one such as Europe/Zurich") from None
    for name, word in zip(_FIELDS, words, strict=True):
        try:
            crontab(**{name: word})
        except (ParseException, ValueError) as wrong:
            field = name.replace("_", " ")
            raise ValueError(f"{field}: {word!r} cannot be read ({wrong}); write *, 5, 1-5, */10 or 0,30") from None
    minute, hour, day, month, weekday = words
    found = Crontab(minute, hour, day, month, weekday, zone)
    next_after(found, datetime(2000, 1, 1, tzinfo=UTC))
    return found


def next_after(what: Crontab, moment: datetime) -> datetime:
    """Answer when a crontab comes next after an aware moment, in UTC.

    Raises:
        NeverComes: it never does.
    """
    try:
        table: Any = crontab(**{name: getattr(what, name) for name in _FIELDS})
    except ValueError as wrong:
        raise _never(what) from wrong
    zone = what.tzinfo
    # A day earlier, because the clocks of a zone may leave out a whole one.
    first = moment.astimezone(zone).date() - timedelta(days=1)
    for ahead in range(_DAYS):
        day = first + timedelta(days=ahead)
        if _has(table, day):
            later = [instant for instant in _instants(table, day, zone) if instant > moment]
            if later:
                return min(later)
    raise _never(what)


def _never(what: Crontab) -> NeverComes:
    return NeverComes(f"{what}: there is no such day; mend day of month, month or day of week")


def _has(table: Any, day: date) -> bool:
    return (
        day.month in table.month_of_year and day.day in table.day_of_month and day.isoweekday() % 7 in table.day_of_week
    )


def _instants(table: Any, day: date, zone: ZoneInfo) -> Iterator[datetime]:
    every_hour = len(table.hour) == 24
    for hour in table.hour:
        for minute in table.minute:
            wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
            yield wall.astimezone(UTC)
            if every_hour:
                yield wall.replace(fold=1).astimezone(UTC)
