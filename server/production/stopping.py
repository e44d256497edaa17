"""Holding a task back: what waits in queues is taken out of them, what pilots have goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from django.db.models import QuerySet

from server.production import jobs
from server.production.door import move, move_all
from server.production.models import Chunk, MergeGroup, Task
from server.production.states import ChunkState, GroupState

Row = TypeVar("Row", Chunk, MergeGroup)

#: In these chunks are at their end, and merges.
_AT_ITS_END = (ChunkState.FINISHED.value, ChunkState.CANCELLED.value)

#: Of these no job has been sent.
UNSENT = (ChunkState.DEFINED, ChunkState.STAGING, ChunkState.STAGED, ChunkState.PAUSED)


def held(rows: QuerySet[Row]) -> list[Row]:
    """Answer chunks, or merges, that nobody else moves until the transaction ends.

    Whoever touches these and their jobs holds these first: of two who did it the other way round one would be ended.
    """
    return list(rows.select_for_update().order_by("pk"))


def withdraw(task: Task, *, by: str, words: str) -> None:
    """Take the queued jobs of a task out of their queues; their chunks and merges are cancelled."""
    for chunk in _withdrawn(held(Chunk.objects.filter(task=task, state=ChunkState.SENT)), by):
        move(chunk, ChunkState.CANCELLED, by=by, words=words)
    for group in _withdrawn(held(MergeGroup.objects.filter(task=task, state=GroupState.SENT)), by):
        move(group, GroupState.CANCELLED, by=by, words=words)


def hold(task: Task, *, by: str, words: str) -> None:
    """Take the queued jobs of a task out of their queues; their chunks get new jobs when the task goes on."""
    hold_chunks(held(Chunk.objects.filter(task=task, state=ChunkState.SENT)), by=by, words=words)


def hold_chunks(chunks: Sequence[Chunk], *, by: str, words: str) -> int:
    """Take those of these chunks' jobs out of their queues that no pilot has; answer how many those were."""
    held = _withdrawn(chunks, by)
    for chunk in held:
        move(chunk, ChunkState.PAUSED, by=by, words=words, job_id=None)
    return len(held)


def start_nothing(task: Task, *, by: str, words: str) -> None:
    """Cancel what of a task has not been sent, and what is queued."""
    _hold_still(task)
    for state in UNSENT:
        move_all(Chunk.objects.filter(task=task), state, ChunkState.CANCELLED, by=by, words=words)
    move_all(MergeGroup.objects.filter(task=task), GroupState.READY, GroupState.CANCELLED, by=by, words=words)
    withdraw(task, by=by, words=words)


def end_all(task: Task, *, by: str, words: str) -> None:
    """End also the jobs that pilots have; belongs into a transaction."""
    _hold_still(task)
    chunks, groups = Chunk.objects.filter(task=task), MergeGroup.objects.filter(task=task)
    running = chunks.filter(state__in=(ChunkState.SENT.value, ChunkState.RUNNING.value))
    merging = groups.filter(state=GroupState.SENT)
    numbers = [*running.values_list("job_id", flat=True), *merging.values_list("job_id", flat=True)]
    jobs.kill([number for number in numbers if number is not None], by=by)
    for state in (ChunkState.SENT, ChunkState.RUNNING):
        move_all(chunks, state, ChunkState.CANCELLED, by=by, words=words)
    move_all(groups, GroupState.SENT, GroupState.CANCELLED, by=by, words=words)


def cancel_all(task: Task, *, by: str, words: str) -> int:
    """Cancel everything of a task that has not finished, and end its jobs; answer how much that was.

    Belongs into a transaction.
    """
    _hold_still(task)
    chunks, groups = Chunk.objects.filter(task=task), MergeGroup.objects.filter(task=task)
    with_jobs = chunks.filter(state__in=(ChunkState.SENT.value, ChunkState.RUNNING.value))
    numbers = [*with_jobs.values_list("job_id", flat=True)]
    numbers += groups.filter(state=GroupState.SENT).values_list("job_id", flat=True)
    jobs.kill([number for number in numbers if number is not None], by=by)
    ended = 0
    for state in ChunkState:
        if state not in _AT_ITS_END:
            ended += move_all(chunks, state, ChunkState.CANCELLED, by=by, words=words)
    for merge_state in GroupState:
        if merge_state not in _AT_ITS_END:
            ended += move_all(groups, merge_state, GroupState.CANCELLED, by=by, words=words)
    return ended


def _hold_still(task: Task) -> None:
    """Wait for whoever is moving a chunk or a merge of a task, and let nobody else until the transaction ends.

    What is moved state by state would miss one that goes from a later state to an earlier one meanwhile.
    """
    for model in (Chunk, MergeGroup):
        still_open = model._default_manager.filter(task=task).exclude(state__in=_AT_ITS_END)
        list(still_open.select_for_update().order_by("pk").values_list("pk", flat=True))


def _withdrawn(rows: Sequence[Row], by: str) -> list[Row]:
    """Take the jobs of these rows out of the queue; answer the rows whose jobs no pilot had."""
    gone = jobs.withdraw([row.job_id for row in rows if row.job_id is not None], by=by)
    return [row for row in rows if row.job_id in gone]
