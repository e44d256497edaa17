"""What was planned is made again, in one transaction with its record: rows go back, living jobs are ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from server.production import jobs
from server.production.door import move
from server.production.models import Chunk, CrossCheck, MergeGroup, Task, TaskEvent
from server.production.resend import tape
from server.production.resend.plan import Plan, batches, locked_tasks, plan, refuse_closed, set_apart
from server.production.resend.wishes import BadWish, What, Wish
from server.production.staging.asking import ask_anew
from server.production.states import CHUNK_MOVES, GROUP_MOVES, ChunkState, GroupState, TaskState
from server.production.steering_models import Resend, ResendRow
from server.production.stopping import held

#: Columns that a resend writes over.
CHUNK_COLUMNS = ("state", "job_id", "attempts", "ahead", "due", "rule", "words", "events_done")
GROUP_COLUMNS = ("state", "job_id", "attempts", "ahead", "due", "rule", "words", "events_found", "size")
TASK_COLUMNS = ("state", "finished", "ends_early")
CHECK_COLUMNS = ("task_id", "run_id", "kind", "verdict", "expected", "found", "words", "at")

#: The rows of merges that a check had set apart, which is made anew.
APART = "apart"
_MOVED = "something of it was moved by somebody else meanwhile; look at it again"

#: By way of what a running task comes to ``send``.
_VIA = {
    What.FAILED: TaskState.RESEND_FAILED,
    What.STAGING: TaskState.RESEND_STAGING,
    What.MANUAL_CHECK: TaskState.RESEND_MANUAL_CHECK,
}
#: From these a task goes on to ``send``.
_TO_SEND = (*_VIA.values(), TaskState.DONE, TaskState.FINISHED)


@transaction.atomic
def carry_out(task: Task, wish: Wish, *, by: str, why: str, seen: str = "") -> Resend:
    """Make again what a wish means, with all their attempts; answer the record.

    Args:
        task: The task.
        wish: What is made again of it.
        by: Who asks.
        why: The reason.
        seen: The ``mark`` of the plan that somebody has looked at; empty: whatever it means now.

    Raises:
        BadWish: it is refused, or is not what was looked at any more; nothing was done.
    """
    made = plan(locked_tasks([task.pk])[task.pk], wish)
    # Those that live on it before any row of theirs, as whoever sends their jobs does: else the two would wait for
    # each other.
    tasks = locked_tasks(made.tasks | {task.pk})
    if not made.refused:
        refuse_closed(made)
    if made.refused:
        raise BadWish("; ".join(made.refused))
    if seen and seen != made.mark:
        raise BadWish(
            "seen: since you looked, something of it has moved, and other rows would be made again: look anew, "
            "and pause the task first if it moves all the time"
        )
    _hold(made)
    jobs.kill(made.living, by=by)
    record = Resend.objects.create(
        task=task,
        wish=wish.as_json(),
        words=str(wish)[:200],
        by=by[:250],
        why=why,
        at=timezone.now(),
        counts=_told(made),
    )
    words = f"{record}: {why}"[:500]
    _keep(record, "chunk", made.chunks.values(), CHUNK_COLUMNS)
    _keep(record, "group", made.groups.values(), GROUP_COLUMNS)
    _keep(record, "check", made.checks.values(), CHECK_COLUMNS)
    _keep(record, "file", made.files.values(), tape.COLUMNS)
    _send_back(Chunk, made.chunks, {key: _place(made, key) for key in made.chunks}, by, words)
    ask_anew(made.unstaged, record.at)
    _send_back(MergeGroup, made.groups, dict.fromkeys(made.groups, GroupState.READY), by, words)
    tape.ask_again(list(made.files.values()), by=by, words=words)
    apart = set_apart(made)
    _keep(record, APART, apart, ("state", "words"))
    for group in apart:
        if not move(group, GroupState.FINISHED, by=by, words=words):
            raise BadWish(_MOVED)
    for batch in batches(list(made.checks)):
        CrossCheck.objects.filter(pk__in=batch).delete()
    _keep(record, "task", tasks.values(), TASK_COLUMNS)
    for one in tasks.values():
        _reopen(one, wish, by=by, words=words)
    _take_up(task, wish)
    return record


def _take_up(task: Task, wish: Wish) -> None:
    """Have a task that was ended early be complete after all, if a wish means that: what waits for a person counts."""
    if wish.takes_up:
        Task.objects.filter(pk=task.pk).update(ends_early=False)


def _hold(made: Plan) -> None:
    """Hold the rows before their jobs, as all who touch both do."""
    for batch in batches(sorted(made.chunks)):
        held(Chunk.objects.filter(pk__in=batch).only("pk"))
    for batch in batches(sorted(made.groups)):
        held(MergeGroup.objects.filter(pk__in=batch).only("pk"))


def _place(made: Plan, key: int) -> ChunkState:
    return ChunkState.DEFINED if key in made.unstaged else ChunkState.STAGED


def _told(made: Plan) -> dict[str, int]:
    counts = {"chunks": len(made.chunks), "merges": len(made.groups), "checks": len(made.checks)}
    if made.files:
        counts["files"] = len(made.files)
    return {**counts, "outputs": made.outputs, "jobs_ended": len(made.living)}


def _keep(record: Resend, table: str, rows: Iterable[Any], columns: Sequence[str]) -> None:
    """Write down what rows were."""
    kept = [ResendRow(resend=record, table=table, key=row.pk, before=_before(row, columns)) for row in rows]
    ResendRow.objects.bulk_create(kept, batch_size=400)


def _before(row: Any, columns: Sequence[str]) -> dict[str, Any]:
    said = {name: getattr(row, name) for name in columns}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in said.items()}


def _send_back(
    model: type[Chunk] | type[MergeGroup],
    rows: Mapping[int, Chunk] | Mapping[int, MergeGroup],
    places: Mapping[int, ChunkState | GroupState],
    by: str,
    words: str,
) -> None:
    """Move rows to where they begin, without their jobs; the history keeps these.

    Raises:
        BadWish: somebody else has moved one of them meanwhile.
    """
    now, cleared = timezone.now(), {"events_done": None} if model is Chunk else {"events_found": None, "size": None}
    for batch in batches(list(rows)):
        for before, after in {(rows[key].state, places[key]) for key in batch}:
            _check_move(model, before, after)
            some = [key for key in batch if (rows[key].state, places[key]) == (before, after)]
            moved = model._default_manager.filter(pk__in=some, state=before).update(
                state=after.value, job_id=None, attempts=0, due=None, rule="", words=words, updated=now, **cleared
            )
            if moved != len(some):
                raise BadWish(_MOVED)
        TaskEvent.objects.bulk_create([_event(rows[key], places[key], by, words, now) for key in batch])


def _check_move(model: type[Chunk] | type[MergeGroup], before: str, after: ChunkState | GroupState) -> None:
    known = CHUNK_MOVES if model is Chunk else GROUP_MOVES
    kind = ChunkState if model is Chunk else GroupState
    if (kind(before), after) not in known:
        raise BadWish(f"what is {kind(before).label} cannot become {after.label}")


def _event(row: Chunk | MergeGroup, after: ChunkState | GroupState, by: str, words: str, now: Any) -> TaskEvent:
    event = TaskEvent(
        task_id=row.task_id, before=row.state, after=after.value, job_id=row.job_id, by=by[:250], words=words, at=now
    )
    setattr(event, "chunk_id" if isinstance(row, Chunk) else "group_id", row.pk)
    return event


def _reopen(task: Task, wish: Wish, *, by: str, words: str) -> None:
    """Lead a task to where its jobs are sent, one that was over, too; one that is paused stays so."""
    if task.state in (TaskState.PAUSED, TaskState.SEND):
        return
    via = _VIA.get(wish.what)
    if via is not None and (task.state == TaskState.RUNNING or via is TaskState.RESEND_FAILED) and _may(task, via):
        move(task, via, by=by, words=words)
    was_ended = task.state == TaskState.FINISHED
    if task.state in _TO_SEND:
        move(task, TaskState.SEND, by=by, words=words, finished=None)
        # Nothing of it is sent: it is only judged, or asked for on tape, again.
        if wish.what is What.ARCHIVE and was_ended:  # and when that is over it is what it was
            move(task, TaskState.FINISHING, by=by, words=words)
        elif wish.what in (What.CROSSCHECK, What.ARCHIVE):
            move(task, TaskState.RUNNING, by=by, words=words)


def _may(task: Task, via: TaskState) -> bool:
    return (task.state, via) in {(TaskState.RUNNING, via), (TaskState.FINISHED, TaskState.RESEND_FAILED)}
