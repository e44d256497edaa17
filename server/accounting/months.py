"""Usage of long ago is kept by month: the rows of its days become one each, on the first day, with the same sums.

A few rows are added up in one transaction, which holds the bookmark as everybody does who changes sums. From when on
days are kept is written down first, and all who ask for a part of an older month are answered the whole of it: so it is
no matter whether its rows have been added up already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Min

from server.accounting.days import first_of_month, next_month
from server.accounting.logic import Held, Keep, write
from server.accounting.models import Bookmark, Failure, Quota, Usage
from server.accounting.past import days_back
from server.accounting.settled import NAME
from server.accounting.sums import COLUMNS, Key, Tally

#: Rows that are added up in one transaction: pilots wait for it where the database has one writer.
BATCH = 200


def compact(*, now: datetime, months: int, half_life: float, keep: Keep) -> int:
    """Add up what is older than so many months, but for what shares and quotas still read; answer how many rows.

    Args:
        now: The time.
        months: Full months that are kept by day, beside the present one.
        half_life: Of fair shares, in seconds.
        keep: Is called before each transaction.
    """
    today = now.astimezone(UTC).date()
    longest = Quota.objects.aggregate(n=Max("days"))["n"] or 1
    wanted = min(first_of_month(today, months), today - timedelta(days=max(days_back(half_life), longest - 1)))
    added = 0
    try:
        before = _write_down(first_of_month(wanted), now)
        for month in _months(before):
            while rows := _add_up(month, now, keep):
                added += rows
    except Held:
        pass  # days are made anew; the next turn goes on
    return added


@transaction.atomic
def _write_down(wanted: date, now: datetime) -> date:
    """Note from when on days are kept; what was noted stays when it is later."""
    Bookmark.objects.get_or_create(name=NAME)
    mark = _hold(now)
    before = max(wanted, mark.days_from or wanted)
    Bookmark.objects.filter(name=NAME).update(days_from=before)
    return before


def _hold(now: datetime) -> Bookmark:
    """Hold the bookmark until the transaction ends.

    Raises:
        Held: somebody makes days anew.
    """
    mark = Bookmark.objects.select_for_update().get(name=NAME)
    if mark.held_until is not None and mark.held_until > now:
        raise Held("another one makes days anew")
    return mark


def _months(before: date) -> Iterator[date]:
    """Yield the months of which there is anything, oldest first."""
    month = Usage.objects.filter(day__lt=before).aggregate(first=Min("day"))["first"]
    while month is not None and month < before:
        yield first_of_month(month)
        month = next_month(month)


def _add_up(month: date, now: datetime, keep: Keep) -> int:
    """Add some rows of later days of a month to those of its first day; answer how many."""
    later = Usage.objects.filter(day__gt=month, day__lt=next_month(month))
    if not later.exists():
        return 0
    keep()
    with transaction.atomic():
        _hold(now)
        rows = list(later.order_by("day", "pk").values_list("pk", *Key._fields, *COLUMNS)[:BATCH])
        write(_tally(month, rows))
        Usage.objects.filter(pk__in=[row[0] for row in rows]).delete()
    return len(rows)


def _tally(month: date, rows: Sequence[tuple[Any, ...]]) -> Tally:
    """Add rows up by what they are of, on the first day of their month."""
    found, keys = Tally(), dict[int, Key]()
    for pk, *values in rows:
        of, sums = values[: len(Key._fields)], values[len(Key._fields) :]
        keys[pk] = Key(*of)._replace(day=month)
        found.usage[keys[pk]].update(dict(zip(COLUMNS, sums, strict=True)))
    failures = Failure.objects.filter(usage__in=list(keys)).values_list("usage", "source", "code", "attempts")
    for usage, source, code, attempts in failures:
        found.failures[keys[usage]][source, code] += attempts
    return found
