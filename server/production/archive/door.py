"""The one door for moves of files on their way to tape: the table of moves, and the event in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from server.lib.moves import IllegalMove
from server.production.jobs import Stored
from server.production.models import Output, Task, TaskEvent
from server.production.states import TAPE_MOVES, TapeState

#: Rows of one statement.
BATCH = 400

#: What a file that is new knows of tapes. A request that stays named says that a file of its name may lie there.
NEW: dict[str, Any] = {"tape": TapeState.NONE.value, "tape_attempts": 0, "tape_words": ""}


@transaction.atomic
def move_files(
    files: Sequence[Output], after: TapeState, *, by: str, words: str, now: datetime | None = None, **columns: Any
) -> int:
    """Move files from the states they were read in; answer how many were still in these.

    Args:
        files: The rows, as they were read.
        after: What they become.
        by: Who moves them.
        words: Why, for the history; what is not at its end keeps them beside it.
        now: The time.
        columns: Further columns that are written.

    Raises:
        IllegalMove: one of them cannot become that.
    """
    at, moved = now or timezone.now(), 0
    for start in range(0, len(files), BATCH):
        some = {file.pk: file for file in files[start : start + BATCH]}
        for before in sorted({file.tape for file in some.values()}):
            if (TapeState(before), after) not in TAPE_MOVES:
                raise IllegalMove(TapeState(before), after)
            same = Output.objects.select_for_update().filter(pk__in=some, tape=before).order_by("pk")
            # The same name, and still the same file.
            keys = [key for key, made in same.values_list("pk", "job_file_id") if made == some[key].job_file_id]
            said = {"tape": after.value, "tape_since": at, "tape_words": words[:500], **columns}
            moved += Output.objects.filter(pk__in=keys).update(**said)
            TaskEvent.objects.bulk_create([_event(some[key], before, after, by, words, at) for key in keys])
    return moved


def _event(file: Output, before: str, after: TapeState, by: str, words: str, at: datetime) -> TaskEvent:
    return TaskEvent(
        task_id=file.task_id,
        chunk_id=file.chunk_id,
        group_id=file.group_id,
        before=said(before),
        after=said(after),
        by=by[:250],
        words=words[:500],
        at=at,
    )


def said(state: str) -> str:
    """Write a state as histories have it, apart from those of jobs and merges."""
    return f"tape {state or 'none'}"


def note(task: Task | int, before: TapeState, after: TapeState, *, by: str, words: str, now: datetime) -> None:
    """Write into a task's history what has become of a request of many files."""
    key = task if isinstance(task, int) else task.pk
    TaskEvent.objects.create(
        task_id=key, before=said(before), after=said(after), by=by[:250], words=words[:500], at=now
    )


@transaction.atomic
def made_anew(files: Collection[Stored], *, by: str) -> None:
    """Begin anew with files that jobs have written again.

    Nothing of what was true of the former ones holds: neither that they are on tape, nor that they were removed.
    Belongs into the transaction that writes them down, and before that is done.
    """
    names = {(file.dataset, file.lfn): (file.id, file.size, file.checksum) for file in files}
    rows = Output.objects.filter(dataset__in={key[0] for key in names}, lfn__in={key[1] for key in names})
    known = rows.filter(~Q(tape=TapeState.NONE) | ~Q(tape_words="") | Q(removed__isnull=False))
    found = [
        row
        for row in known
        if names.get((row.dataset, row.lfn)) not in (None, (row.job_file_id, row.size, row.checksum))
    ]
    if not found:
        return
    on_its_way = [row for row in found if row.tape]
    move_files(on_its_way, TapeState.NONE, by=by, words="it was made again")
    Output.objects.filter(pk__in=[row.pk for row in found]).update(**NEW, removed=None)
