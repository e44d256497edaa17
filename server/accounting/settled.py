"""Up to which event nothing can appear any more: numbers are given before a transaction ends, in another order.

A bookmark that is moved past a number whose row is not visible yet would lose it for ever. So the newest number is
written down first, and read up to only when every transaction that could hold a smaller one is over:

- SQLite has one writer: the order of numbers is the order of commits.
- PostgreSQL says so itself: the oldest transaction that still writes is younger than the note, which has taken a number
  of its own among them. An event's number is taken after its transaction has written its job, so that is older.
- MariaDB keeps rows that are not committed where a locking read waits for them. Between number and row there is a
  moment inside one statement; the note is let grow older than that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction

from server.accounting.ends import moves_between
from server.accounting.models import Bookmark
from server.accounting.sums import Move
from server.taskbuffer.models import JobEvent
from server.taskbuffer.queries import newest_event

#: The one row.
NAME = "usage"
#: How old a note is before it is used on MariaDB: no statement takes so long between a row's number and the row.
AGE = timedelta(seconds=10)


def settled(now: datetime) -> int:
    """Answer the number of an event up to which no other can appear, beside the rows that a read waits for."""
    if connection.vendor == "sqlite":
        return newest_event()
    mark, _ = Bookmark.objects.get_or_create(name=NAME)
    if not _is_over(mark, now):
        if connection.vendor == "postgresql" and mark.horizon > _postgresql("pg_snapshot_xmax(pg_current_snapshot())"):
            _note(now)  # the note is of another PostgreSQL, out of which the tables were brought here
        return mark.position
    upto = max(mark.seen, mark.position)
    _note(now)
    fresh = Bookmark.objects.get(name=NAME)
    return fresh.seen if _is_over(fresh, now) else upto


def next_moves(after: int, upto: int, most: int) -> list[Move]:
    """Answer the next events; on MariaDB, wait for those that somebody is about to commit."""
    if connection.vendor != "mysql":
        return moves_between(after, upto, most)
    with transaction.atomic():
        there = JobEvent.objects.filter(pk__gt=after, pk__lte=upto).order_by("pk").select_for_update()
        last = list(there.values_list("pk", flat=True)[:most])
        return moves_between(after, last[-1], most) if last else []


def _note(now: datetime) -> None:
    """Write down the newest number, and after it where PostgreSQL stands in its count of transactions."""
    newest = newest_event()
    Bookmark.objects.filter(name=NAME).update(seen=newest, seen_at=now, horizon=_postgresql("pg_current_xact_id()"))


def _is_over(mark: Bookmark, now: datetime) -> bool:
    """Say whether all is over that was under way when the note was made; there may be none yet."""
    if mark.seen_at is None:
        return True
    if connection.vendor == "postgresql":
        return _postgresql("pg_snapshot_xmin(pg_current_snapshot())") >= mark.horizon
    return abs(now - mark.seen_at) >= AGE  # a clock that was put back has made it older as well


def _postgresql(question: str) -> int:
    """Ask PostgreSQL for the number of a transaction; 0 of another database."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ({question})::text")
        return int(cursor.fetchone()[0])
