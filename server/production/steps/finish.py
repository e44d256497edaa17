"""Step: tasks of which nothing is left to do are done, or finished when a part of it was not made."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from server.production import stopping
from server.production.door import move
from server.production.models import Chunk, CrossCheck, MergeGroup, Run, Task
from server.production.states import (
    CheckKind,
    ChunkState,
    GroupState,
    MergeKind,
    TaskState,
    TaskType,
    Verdict,
    values,
)

SERVICE = "production.finish"

#: Chunks in these have ended.
OVER = (ChunkState.FINISHED, ChunkState.FAILED, ChunkState.MANUAL_CHECK, ChunkState.CANCELLED)


def finish_tasks() -> int:
    """Call tasks done, or finished, of which nothing more will be made; answer how many."""
    ended = [*_complete(Task.objects.filter(state=TaskState.RUNNING))]
    moved = sum(move(task, TaskState.DONE, by=SERVICE, finished=timezone.now()) for task in ended)
    for task in _given_up():
        moved += move(task, TaskState.FINISHED, by=SERVICE, finished=timezone.now())
    return moved + sum(_end(task) for task in Task.objects.filter(state=TaskState.FINISHING))


def _complete(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Select the tasks of which every counter is complete."""
    left = Chunk.objects.filter(task=OuterRef("pk")).exclude(state=ChunkState.FINISHED)
    runs = Run.objects.filter(task=OuterRef("pk"))
    return tasks.filter(Exists(runs), ~Exists(left)).filter(
        ~Q(type=TaskType.MC_RECONSTRUCTION) | ~Exists(unmerged(runs))
    )


def _given_up() -> QuerySet[Task]:
    """Select the users' tasks whose jobs have all ended, some of them badly and for the last time."""
    chunks = Chunk.objects.filter(task=OuterRef("pk"))
    waiting = chunks.exclude(state__in=values(OVER)) | chunks.filter(
        state=ChunkState.FAILED, attempts__lt=F("task__max_attempts")
    )
    running = Task.objects.filter(state=TaskState.RUNNING, type=TaskType.USER_ANALYSIS)
    return running.filter(Exists(chunks), ~Exists(waiting))


@transaction.atomic
def _end(task: Task) -> bool:
    """End a task that is finishing, if nothing of it runs any more."""
    stopping.withdraw(task, by=SERVICE, words="its pilot was lost")
    chunks = Chunk.objects.filter(task=task, state__in=values((ChunkState.SENT, ChunkState.RUNNING)))
    if chunks.exists() or MergeGroup.objects.filter(task=task, state=GroupState.SENT).exists():
        return False
    made = _complete(Task.objects.filter(pk=task.pk)).exists()
    return move(task, TaskState.DONE if made else TaskState.FINISHED, by=SERVICE, finished=timezone.now())


def unmerged(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Select the runs that lack a merge or a check."""
    groups = MergeGroup.objects.filter(run=OuterRef("pk"))
    checked = CrossCheck.objects.filter(run=OuterRef("pk"), verdict=Verdict.YES)
    return runs.filter(
        Exists(groups.exclude(state=GroupState.FINISHED))
        | ~Exists(checked.filter(kind=CheckKind.MDST))
        | ~Exists(groups.filter(kind=MergeKind.HISTOGRAMS))
        | (Q(task__merge_dumps=True) & ~Exists(checked.filter(kind=CheckKind.DUMP)))
    )
