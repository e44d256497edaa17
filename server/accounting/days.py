"""Days and months of usage: which days are kept each by itself, and which stand as one on the first of their month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta


def first_of_month(day: date, back: int = 0) -> date:
    """Answer the first day of a day's month, or of the month so many before it; at the earliest the first of all."""
    number = max(12, day.year * 12 + day.month - 1 - back)
    return date(number // 12, number % 12 + 1, 1)


def next_month(day: date) -> date:
    return first_of_month(day, -1)


@dataclass(frozen=True)
class Kept:
    """``days_from`` on there are days, and before it months; none: there are days alone."""

    days_from: date | None = None

    def by_month(self, day: date) -> bool:
        return self.days_from is not None and day < self.days_from

    def place(self, day: date) -> date:
        """Answer the day on which the usage of a day is kept."""
        return first_of_month(day) if self.by_month(day) else day

    def whole(self, first: date, last: date) -> tuple[date, date]:
        """Answer the days that are meant by these: of months that are kept as one, all."""
        end = next_month(last) - timedelta(days=1) if self.by_month(last) else last
        return self.place(first), end

    def spans(self, first: date, last: date) -> Iterator[tuple[date, date]]:
        """Yield what is kept together of whole days and months, as first and last days."""
        while first <= last:
            until = self.whole(first, first)[1]
            yield first, until
            first = until + timedelta(days=1)
