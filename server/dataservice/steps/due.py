"""What is due, found by an index in the order of its time: lane by lane, and never by a look at all that waits.

A lane is what may go into one call: a kind, a storage, where copies come from, for how long files are wanted. There are
few of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from server.dataservice.models import Lane, Transfer
from server.dataservice.states import TransferKind, TransferState, values
from server.dataservice.steps.tries import farthest


@dataclass(frozen=True)
class Line:
    """The transfers of a lane that are in one state; the one that has been due for longest is so since ``first``."""

    lane: Lane
    state: TransferState
    first: datetime


def lines(kinds: Collection[TransferKind], states: Collection[TransferState], now: datetime) -> list[Line]:
    """Answer where something is due, what has been so for longest first. Costs one look into an index for each lane."""
    found = [line for state in states for line in _lines(kinds, state, now)]
    return sorted(found, key=lambda line: (line.first, line.lane.pk))


def _lines(kinds: Collection[TransferKind], state: TransferState, now: datetime) -> list[Line]:
    mine = _of(OuterRef("pk"), state, now)
    found: dict[int, Line] = {}
    for rows in (mine.filter(due__lte=now), mine.filter(due__gt=farthest(now))):
        first = Subquery(rows.order_by("due").values("due")[:1])
        for lane in Lane.objects.filter(kind__in=values(kinds)).annotate(first=first).exclude(first=None):
            found.setdefault(lane.pk, Line(lane, state, min(lane.first, now)))
    return list(found.values())


def due(line: Line, now: datetime, *, most: int) -> list[int]:
    """Answer the numbers of at most so many transfers of a line that are due, what has been so for longest first.

    What a wrong clock has put off for years counts, and comes last.
    """
    rows = _of(line.lane.pk, line.state, now)
    keys = _keys(rows.filter(due__lte=now), most)
    return keys + _keys(rows.filter(due__gt=farthest(now)), most - len(keys)) if len(keys) < most else keys


def _of(lane: Any, state: TransferState, now: datetime) -> QuerySet[Transfer]:
    """Select what may be done in a line: a call that was begun is made again as it was, and what is over is over."""
    rows = Transfer.objects.filter(lane=lane, state=state.value)
    if state is not TransferState.REQUESTED:
        return rows
    return rows.filter(Q(wanted_until=None) | Q(wanted_until__gt=now), submission=None)


def _keys(rows: QuerySet[Transfer], most: int) -> list[int]:
    return list(rows.order_by("due", "pk").values_list("pk", flat=True)[:most])
