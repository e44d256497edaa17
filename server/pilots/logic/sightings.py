"""What batch systems say of pilots, written one by one or thousands at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from django.db import connection, transaction

from server.lib.moves import IllegalMove
from server.pilots.models import Pilot
from server.pilots.states import LIVING, MOVES, PilotState
from server.pilots.words import words_of_exit

#: Rows that are locked, compared and written at a time.
_CHUNK = 1000


@dataclass(frozen=True)
class Sighting:
    """What a batch system says of a pilot; times are aware, ``node`` is where it runs or ran."""

    state: PilotState
    exit_code: int | None = None
    started: datetime | None = None
    ended: datetime | None = None
    words: str = ""
    node: str = ""


class Known(Protocol):
    """What was read of a pilot's row before its batch system was asked."""

    @property
    def pk(self) -> Any: ...
    @property
    def state(self) -> str: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def node(self) -> str: ...


Row = TypeVar("Row", bound=Known)
Item = TypeVar("Item")


def observe(pilot: Known, seen: Sighting, *, now: datetime) -> bool:
    """Write what a batch system says of a pilot; say whether its state was news."""
    return bool(observe_many([(pilot, seen)], now=now))


def observe_many(news: Iterable[tuple[Row, Sighting]], *, now: datetime) -> list[tuple[Row, Sighting]]:
    """Write what batch systems say of many pilots: some statements for each thousand of which there is something new.

    A row that somebody else has moved since it was read is left alone, as is one that had ended.

    Args:
        news: Each pilot as it was read, and what is said of it now.
        now: The time, of ends of which nobody says when they were.

    Returns:
        Those whose state this has changed.

    Raises:
        IllegalMove: the table of moves has no such line; nothing was written.
    """
    new = [(row, seen) for row, seen in news if row.state in LIVING and _is_new(row, seen)]
    for row, seen in new:
        before = PilotState(row.state)
        if before is not seen.state and (before, seen.state) not in MOVES:
            raise IllegalMove(before, seen.state)
    moved: list[tuple[Row, Sighting]] = []
    for chunk in _chunks(new):
        written = _write(chunk, now)
        moved += [(row, seen) for row, seen in chunk if row.pk in written and row.state != seen.state]
    return moved


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def _is_new(row: Known, seen: Sighting) -> bool:
    if seen.state != row.state:
        return True
    return bool(seen.node and seen.node != row.node) or (seen.started is not None and row.started_at is None)


_UPDATE = """
    UPDATE pilots_pilot SET state = %s, exit_code = %s, started_at = %s, ended_at = %s, words = %s, node = %s
    WHERE id = %s
"""


def _write(chunk: Sequence[tuple[Known, Sighting]], now: datetime) -> set[int]:
    """Write those whose rows are as they were read; answer which these are."""
    with transaction.atomic():
        read = {row.pk: row.state for row, _ in chunk}
        rows = Pilot.objects.select_for_update().filter(pk__in=list(read)).order_by("pk")
        found = rows.values_list("pk", "state", "started_at", "node")
        # What a pilot has said of itself since its row was read stays, where its batch system says nothing.
        same = {pk: (started, node) for pk, state, started, node in found if read[pk] == state}
        values = [(*_columns(seen, *same[row.pk], now), row.pk) for row, seen in chunk if row.pk in same]
        if values:
            with connection.cursor() as cursor:
                cursor.executemany(_UPDATE, values)
    return set(same)


def _columns(seen: Sighting, started: datetime | None, node: str, now: datetime) -> tuple[Any, ...]:
    ended = None if seen.state in LIVING else seen.ended or now
    words = (seen.words or words_of_exit(seen.exit_code))[:500]
    times = [_moment(seen.started or started), _moment(ended)]
    return (seen.state.value, seen.exit_code, *times, words, (seen.node or node)[:128])


def _moment(time: datetime | None) -> Any:
    """Answer a time as this database's columns take it."""
    return connection.ops.adapt_datetimefield_value(time)
