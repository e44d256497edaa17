"""Step: what tasks have made is counted again for those of which something has moved since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from server.production.chains import chain_of
from server.production.models import Chunk, Output, Run, Task, TaskEvent
from server.production.states import ChunkState, TapeState, TaskType
from server.production.totals.models import TaskTotals

#: Tasks of one turn.
AT_ONCE = 50
#: A transaction may write its events after others that are younger than these: so far is counted again.
LATEST = timedelta(seconds=60)
#: Every task is counted again after so long, moved or not: what a very long transaction, or a clock that is wrong, has
#: kept from being seen is in it by then.
AGAIN = timedelta(days=1)
_BAD = (ChunkState.FAILED, ChunkState.MANUAL_CHECK)
_SUMS = (
    *("runs", "chunks", "finished", "failed", "events", "results", "result_events", "result_bytes"),
    *("taped", "taped_bytes"),
)


def count_totals(now: datetime | None = None) -> int:
    """Count what tasks have made of which something has moved, the oldest counts first; answer how many tasks."""
    at = now or timezone.now()
    # Of a type that this version of the product does not know nothing can be said.
    known = Task.objects.filter(type__in=TaskType.values)
    due = known.filter(uncounted() | Q(totals__counted__lt=at - AGAIN))
    tasks = list(due.order_by(F("totals__counted").asc(nulls_first=True)).only("pk", "type")[:AT_ONCE])
    if not tasks:
        return 0
    sums = _sums(tasks)
    rows = [
        TaskTotals(task_id=task.pk, counted=at - LATEST, **{name: sums[task.pk, name] for name in _SUMS})
        for task in tasks
    ]
    by = ["task"] if connection.features.supports_update_conflicts_with_target else None
    TaskTotals.objects.bulk_create(rows, update_conflicts=True, update_fields=[*_SUMS, "counted"], unique_fields=by)
    return len(tasks)


def uncounted() -> Q:
    """Select the tasks of which something has moved since they were counted, or that never were."""
    # The time of the latest move, by its index: asked whether there is any, a database may read all moves of all tasks.
    moves = TaskEvent.objects.filter(task=OuterRef("pk")).order_by("-at").values("at")
    return Q(totals__isnull=True) | Q(totals__counted__lt=Subquery(moves[:1]))


def count_anew(rows: QuerySet[TaskTotals]) -> int:
    """Have tasks counted in the next turn, whatever is thought of them; answer how many."""
    return rows.update(counted=datetime.fromtimestamp(0, tz=UTC))


def _sums(tasks: Collection[Task]) -> Counter[tuple[int, str]]:
    """Answer every sum by task and name, in a question for each table."""
    found, keys = Counter[tuple[int, str]](), [task.pk for task in tasks]
    for key, number in Run.objects.filter(task__in=keys).order_by().values_list("task").annotate(n=Count("pk")):
        found[key, "runs"] = number
    chunks = Chunk.objects.filter(task__in=keys).order_by().values_list("task", "state")
    for key, state, number, events in chunks.annotate(n=Count("pk"), sum=Sum("events_done")):
        found[key, "chunks"] += number
        found[key, "failed"] += number if state in _BAD else 0
        if state == ChunkState.FINISHED:
            found[key, "finished"] += number
            found[key, "events"] += events or 0
    kept = {task.pk: chain_of(task.type).archived for task in tasks}
    kinds = {kind for some in kept.values() for kind in some}
    files = Output.objects.filter(task__in=keys, kind__in=kinds).order_by().values_list("task", "kind", "tape")
    for key, kind, tape, number, size, events in files.annotate(n=Count("pk"), bytes=Sum("size"), sum=Sum("events")):
        if kind not in kept[key]:
            continue
        found[key, "results"] += number
        found[key, "result_bytes"] += size or 0
        found[key, "result_events"] += events or 0
        if tape == TapeState.FINISHED:
            found[key, "taped"] += number
            found[key, "taped_bytes"] += size or 0
    return found
