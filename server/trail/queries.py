"""What there is to know of the audit log: who was there of late, and the rows of an export."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from server.lib.texts import plain_cell
from server.trail.models import Entry

#: How far back lists look, by the word for it.
PERIODS = {
    "hour": ("last hour", timedelta(hours=1)),
    "day": ("last 24 hours", timedelta(days=1)),
    "week": ("last 7 days", timedelta(days=7)),
    "month": ("last 30 days", timedelta(days=30)),
}
#: Accounts that a filter offers: those that have logged in last.
MOST_PEOPLE = 30
#: Rows of an export, at most, and of one question for them.
MOST, AT_ONCE = 100_000, 2000

#: Rows that a search finds: the latest.
MOST_FOUND = 1000

COLUMNS = (
    *("at", "person", "how", "address", "method", "path", "filters", "action", "table", "key", "what", "reason"),
    *("outcome", "duration"),
)


def people() -> list[str]:
    """Answer the accounts that have logged in last, by name."""
    known = get_user_model()._default_manager.filter(last_login__isnull=False).order_by("-last_login")
    return sorted(known.values_list("username", flat=True)[:MOST_PEOPLE])


def as_csv(rows: QuerySet[Entry], *, most: int = MOST) -> Iterator[str]:
    """Write rows as the lines of a table, newest first, some thousand at a time."""
    yield _line(COLUMNS)
    rows = rows.order_by("-at", "-id")
    last: tuple[Any, int] | None = None
    while most > 0:
        some = rows if last is None else rows.filter(at__lte=last[0]).exclude(at=last[0], pk__gte=last[1])
        found = list(some[: min(AT_ONCE, most)].values_list("pk", *COLUMNS))
        for _, at, *cells in found:
            yield _line([at.isoformat(), *cells])
        if len(found) < AT_ONCE:
            return
        last, most = (found[-1][1], found[-1][0]), most - len(found)


def _line(cells: Sequence[object]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerow(map(plain_cell, cells))
    return file.getvalue()
