"""The one door for moves of tasks, chunks and merge groups: compare-and-set, and the event in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from server.lib import bulk, moves
from server.production.models import Chunk, MergeGroup, Task, TaskEvent
from server.production.states import CHUNK_MOVES, GROUP_MOVES, TASK_MOVES, ChunkState, GroupState, TaskState

Movable = Task | Chunk | MergeGroup
State = TaskState | ChunkState | GroupState

#: Rows of one statement.
BATCH = 400

_TABLES: dict[type[Movable], tuple[Any, Any]] = {
    Task: (TaskState, TASK_MOVES),
    Chunk: (ChunkState, CHUNK_MOVES),
    MergeGroup: (GroupState, GROUP_MOVES),
}


@transaction.atomic
def move(row: Movable, after: State, *, by: str, words: str = "", **values: Any) -> bool:
    """Move a row from the state it was read in, and write other columns with it.

    Returns:
        False if somebody else moved it meanwhile: then nothing was changed.

    Raises:
        IllegalMove: the table of moves has no such move.
    """
    kind, table = _TABLES[type(row)]
    before = kind(row.state)
    changes: dict[str, Any] = {"updated": timezone.now(), **values}
    if not isinstance(row, Task):
        # When it is tried again, and by which rule, holds for what has failed only.
        changes = {"due": None, "rule": "", "words": words[:500], **changes}
    rows, job = type(row)._default_manager.filter(pk=row.pk), _job_of(row)
    if not moves.move(rows, before, after, moves=table, **changes):
        return False
    for name, value in {"state": after.value, **changes}.items():
        setattr(row, name, value)
    _event(row, before.value, after.value, by, words, job).save()
    return True


def move_all(rows: QuerySet[Chunk] | QuerySet[MergeGroup], before: State, after: State, *, by: str, words: str) -> int:
    """Move every row of a selection that is in one state, some hundred at a time; answer how many were moved."""
    table = CHUNK_MOVES if rows.model is Chunk else GROUP_MOVES
    if (before, after) not in table:
        raise moves.IllegalMove(before, after)
    moved = 0
    with transaction.atomic():
        while found := _first(rows.filter(state=before.value)):
            keys = [row.pk for row in found]
            rows.model._default_manager.filter(pk__in=keys).update(
                state=after.value, due=None, rule="", words=words[:500], updated=timezone.now()
            )
            TaskEvent.objects.bulk_create([_event(row, before.value, after.value, by, words) for row in found])
            moved += len(found)
    return moved


@dataclass(frozen=True)
class Step:
    """A move of one row with the columns that are written with it; ``by_way_of``: a state between that nobody saw."""

    row: Chunk | MergeGroup
    after: State
    words: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    by_way_of: State | None = None


def move_each(steps: Sequence[Step], *, by: str) -> None:
    """Make many moves in few statements. Belongs into the transaction in which their rows were locked and read.

    Raises:
        IllegalMove: the table of moves has no such move; nothing was written.
    """
    now, events = timezone.now(), []
    for step in steps:
        kind, table = _TABLES[type(step.row)]
        ways = [kind(step.row.state), *([step.by_way_of] if step.by_way_of else []), step.after]
        for before, after in pairwise(ways):
            if (before, after) not in table:
                raise moves.IllegalMove(before, after)
    for step in steps:
        ways = [step.row.state, *([step.by_way_of.value] if step.by_way_of else []), step.after.value]
        job = _job_of(step.row)
        made = {"state": step.after.value, "words": step.words[:500], "updated": now}
        changes = {"due": None, "rule": "", **step.values, **made}
        for name, value in changes.items():
            setattr(step.row, name, value)
        events += [
            _event(step.row, before, after, by, step.words if after == ways[-1] else "", job)
            for before, after in pairwise(ways)
        ]
    for model in (Chunk, MergeGroup):
        names = {name for step in steps if type(step.row) is model for name in step.values}
        rows = [step.row for step in steps if type(step.row) is model]
        bulk.update(rows, [*sorted(names | {"due", "rule"}), "state", "words", "updated"])
    TaskEvent.objects.bulk_create(events, batch_size=BATCH)


def _first(rows: QuerySet[Any]) -> list[Chunk | MergeGroup]:
    return list(rows.select_for_update()[:BATCH])


def note(row: Movable, before: str, after: str, *, by: str, words: str = "") -> None:
    """Write the event of a move that has just been made."""
    _event(row, before, after, by, words).save()


def _job_of(row: Movable) -> int | None:
    return None if isinstance(row, Task) else row.job_id


def _event(row: Movable, before: str, after: str, by: str, words: str, job: int | None = None) -> TaskEvent:
    """Make the event of a move; of a row that has lost its job with it, ``job`` is the one that it had."""
    event = TaskEvent(before=before, after=after, by=by[:250], words=words[:500], at=timezone.now())
    if isinstance(row, Task):
        event.task_id = row.pk
    else:
        event.task_id, event.job_id = row.task_id, row.job_id or job
        setattr(event, "chunk_id" if isinstance(row, Chunk) else "group_id", row.pk)
    return event
