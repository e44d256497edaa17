"""What is forgotten after a while: pilots, workers that nobody speaks of, nodes that nobody has seen, old sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import models
from django.db.models import Q

from server.pilots.models import Node, NodeGpus, Pilot, PilotUse, Worker
from server.taskbuffer import queries as taskbuffer

#: For so long it is kept what pilots cost.
YEAR = timedelta(days=366)
#: Rows of one table that are deleted in one run.
_BATCH = 5000
#: Pilots that are looked at, and deleted, at a time.
_PIECE = 500
#: For so long those are kept that no batch system has taken: nobody has logs or jobs of them.
NEVER_TAKEN = timedelta(days=1)
#: Days that are as good as for ever.
_MOST_DAYS = 36500


class Row(NamedTuple):
    """What of a pilot's row says whether it may go."""

    pk: int
    queue: str
    batch_id: str
    directory: str
    counted: bool
    submitted_at: datetime
    ended_at: datetime | None


def forget_pilots(*, now: datetime, days: int, keep: Callable[[], None] = lambda: None) -> int:
    """Forget the pilots that ended more than so many days ago; answer how many. What they cost is in the sums by day.

    Those stay whose end is not counted yet, whose files are still here, and those of jobs that are not in the archive.
    """
    oldest, begin = now - timedelta(days=min(days, _MOST_DAYS)), 0
    gone = _forget_never_taken(now, keep)
    while piece := _piece(begin):
        over = [row for row in piece if row.counted and not row.directory and row.ended_at and row.ended_at < oldest]
        gone += _delete(_without_jobs(over))
        keep()
        begin = piece[-1].pk
        if piece[-1].submitted_at >= oldest:
            break  # numbers rise with time
    return gone


def _piece(begin: int) -> list[Row]:
    rows = Pilot.objects.filter(pk__gt=begin).order_by("pk").values_list(*Row._fields)
    return [Row(*row) for row in rows[:_PIECE]]


def _without_jobs(rows: Iterable[Row]) -> list[int]:
    found = list(rows)
    linked = {(one.batch_id, one.queue) for one in taskbuffer.tries_of_pilots([row.batch_id for row in found])}
    return [row.pk for row in found if (row.batch_id, row.queue) not in linked]


def _forget_never_taken(now: datetime, keep: Callable[[], None]) -> int:
    rows = Pilot.objects.filter(batch_id="", counted=True, ended_at__lt=now - NEVER_TAKEN).order_by("pk")
    gone = 0
    while some := list(rows.values_list("pk", flat=True)[:_PIECE]):
        gone += _delete(some)
        keep()
    return gone


def _delete(numbers: list[int]) -> int:
    return Pilot.objects.filter(pk__in=numbers).delete()[0] if numbers else 0


def prune(*, now: datetime, days: int) -> int:
    """Forget what was said of workers and nodes more than so many days ago; answer how many rows that were."""
    oldest = now - timedelta(days=min(days, _MOST_DAYS))
    silent = Q(finished_at=None, started_at__lt=oldest) | Q(finished_at__lt=oldest)
    old: tuple[models.QuerySet[Any], ...] = (
        Worker.objects.filter(silent),
        Node.objects.filter(seen_at__lt=oldest),
        NodeGpus.objects.filter(seen_at__lt=oldest),
        PilotUse.objects.filter(day__lt=(now - YEAR).date()),
    )
    deleted = 0
    for rows in old:
        numbers = list(rows.order_by("pk").values_list("pk", flat=True)[:_BATCH])
        deleted += rows.model._default_manager.filter(pk__in=numbers).delete()[0]
    return deleted
