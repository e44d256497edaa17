"""Everything that writes usage: what has ended since the bookmark is added to its day, and the bookmark moved with it.

Bookmark and sums change in one transaction, held by the bookmark's row: who is killed has counted all of a batch or
nothing, and two who count at once cannot count the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection, transaction

from server.accounting import ends
from server.accounting.models import Bookmark, Failure, Usage
from server.accounting.settled import NAME, next_moves, settled
from server.accounting.sums import COLUMNS, Key, Move, Tally, tally

#: Events of one transaction: pilots wait for it where the database has one writer.
BATCH = 400
#: Rows of one statement.
AT_ONCE = 200

Keep = Callable[[], None]


class Held(Exception):
    """Somebody makes days anew, or has counted the same meanwhile; nothing was written."""


@dataclass(frozen=True)
class Folded:
    """How many events were looked at, and how many days have other sums now."""

    events: int = 0
    days: int = 0


def fold(*, now: datetime, keep: Keep) -> Folded:
    """Count what has ended since the last time."""
    upto, events, days = settled(now), 0, set[date]()
    mark, _ = Bookmark.objects.get_or_create(name=NAME)
    position = mark.position
    while position < upto:
        keep()
        moves = next_moves(position, upto, BATCH)
        if not moves:
            break
        found = _counted(moves)
        try:
            add(found, before=position, after=moves[-1].number, now=now)
        except Held:
            break
        position = moves[-1].number
        events += len(moves)
        days |= found.days()
    return Folded(events, len(days))


def _counted(moves: list[Move]) -> Tally:
    """Count moves whose jobs stand in their tables: none is archived before the bookmark has passed its moves."""
    over = [move for move in moves if move.ends_attempt or move.ends_job]
    facts = ends.facts_of({move.job for move in over})
    return tally(over, facts, ends.followed(over), ends.undone(over))


@transaction.atomic
def add(found: Tally, *, before: int, after: int, now: datetime) -> None:
    """Add sums to their days, and move the bookmark from where they begin to where they end.

    Raises:
        Held: it stands elsewhere by now, or is held.
    """
    mark = Bookmark.objects.select_for_update().get(name=NAME)
    if mark.position != before or (mark.held_until is not None and mark.held_until > now):
        raise Held
    write(found)
    Bookmark.objects.filter(name=NAME).update(position=after)


def write(found: Tally) -> None:
    """Add sums to the rows of their kinds; those that are not there are made. The caller holds the bookmark."""
    rows = _rows_of(found.usage)
    fresh = [Usage(**key._asdict(), **found.usage[key]) for key in sorted(set(found.usage) - set(rows))]
    _add_to_usage((found.usage[key], pk) for key, pk in rows.items())
    Usage.objects.bulk_create(fresh, batch_size=AT_ONCE)
    if found.failures:
        _add_failures(found, _rows_of(found.failures))


def _rows_of(keys: Collection[Key]) -> dict[Key, int]:
    """Answer the rows that there are of these kinds."""
    wanted, tasks = set(keys), sorted({key.task_id for key in keys})
    near = Usage.objects.filter(day__in={key.day for key in keys}, queue__in={key.queue for key in keys})
    there: dict[Key, int] = {}
    for start in range(0, len(tasks), AT_ONCE):
        some = near.filter(task_id__in=tasks[start : start + AT_ONCE])
        for pk, *values in some.values_list("pk", *Key._fields):
            if (key := Key(*values)) in wanted:
                there[key] = pk
    return there


def _add_to_usage(sums: Iterable[tuple[dict[str, int], int]]) -> None:
    sets = ", ".join(f"{name} = {name} + %s" for name in COLUMNS)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE accounting_usage SET {sets} WHERE id = %s",  # noqa: S608 (our own column names)
            [(*(counted[name] for name in COLUMNS), pk) for counted, pk in sums],
        )


def _add_failures(found: Tally, rows: dict[Key, int]) -> None:
    wanted = {
        (rows[key], source, code): n for key, causes in found.failures.items() for (source, code), n in causes.items()
    }
    there = Failure.objects.filter(usage__in={usage for usage, _, _ in wanted})
    known = {tuple(values): pk for pk, *values in there.values_list("pk", "usage", "source", "code")}
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE accounting_failure SET attempts = attempts + %s WHERE id = %s",
            [(n, known[what]) for what, n in wanted.items() if what in known],
        )
    Failure.objects.bulk_create(
        [
            Failure(usage_id=usage, source=source, code=code, attempts=n)
            for (usage, source, code), n in wanted.items()
            if (usage, source, code) not in known
        ],
        batch_size=AT_ONCE,
    )
