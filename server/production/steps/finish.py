"""Step: tasks of which nothing is left to do are done, or finished when a part of it was not made.

A task that has a tape is done when all that its chain has on tape is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from server.production import stopping
from server.production.archive.rows import not_on_tape, on_their_way
from server.production.chains import every_merge
from server.production.door import move
from server.production.models import Chunk, CrossCheck, MergeGroup, Run, Task
from server.production.states import PASSED, ChunkState, GroupState, TaskState, TaskType, Verdict, values
from server.production.steps.apart import by_itself

SERVICE = "production.finish"

#: Chunks in these have ended, and merges.
OVER = (ChunkState.FINISHED, ChunkState.FAILED, ChunkState.MANUAL_CHECK, ChunkState.CANCELLED)
_MERGED = (GroupState.FINISHED, GroupState.FAILED, GroupState.MANUAL_CHECK, GroupState.CANCELLED)


def finish_tasks() -> int:
    """Call tasks done, or finished, of which nothing more will be made; answer how many."""
    made = list(_complete(Task.objects.filter(state=TaskState.RUNNING)).select_related("site").defer("filelist"))
    waiting = not_on_tape(made)
    ended = [task for task in made if task.pk not in waiting]
    moved = sum(move(task, TaskState.DONE, by=SERVICE, finished=timezone.now()) for task in ended)
    for task in _given_up():
        moved += move(task, TaskState.FINISHED, by=SERVICE, finished=timezone.now())
    again = Task.objects.filter(state=TaskState.RUNNING, ends_early=True).defer("filelist")
    moved += sum(by_itself(task, SERVICE, partial(_end_again, task), False) for task in again)
    return moved + sum(
        by_itself(task, SERVICE, partial(_end, task), False)
        for task in Task.objects.filter(state=TaskState.FINISHING).defer("filelist")
    )


def _complete(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Select the tasks of which every counter is complete."""
    left = Chunk.objects.filter(task=OuterRef("pk")).exclude(state=ChunkState.FINISHED)
    runs = Run.objects.filter(task=OuterRef("pk"))
    return tasks.filter(Exists(runs), ~Exists(left), ~Exists(unmerged(runs)))


def _given_up() -> QuerySet[Task]:
    """Select the users' tasks whose jobs have all ended, some of them badly and for the last time."""
    chunks = Chunk.objects.filter(task=OuterRef("pk"))
    waiting = chunks.filter(_goes_on(OVER, ChunkState.FAILED))
    running = Task.objects.filter(state=TaskState.RUNNING, type=TaskType.USER_ANALYSIS).defer("filelist")
    return running.filter(Exists(chunks), ~Exists(waiting))


@transaction.atomic
def _end(task: Task) -> bool:
    """End a task that is finishing, if nothing of it runs any more."""
    stopping.withdraw(task, by=SERVICE, words="its pilot was lost")
    chunks = Chunk.objects.filter(task=task, state__in=values((ChunkState.SENT, ChunkState.RUNNING)))
    if chunks.exists() or MergeGroup.objects.filter(task=task, state=GroupState.SENT).exists():
        return False
    # What is right still goes to tape; what failed there for good holds up nothing.
    if on_their_way(task):
        return False
    made = _complete(Task.objects.filter(pk=task.pk)).exists() and not not_on_tape([task])
    return move(task, TaskState.DONE if made else TaskState.FINISHED, by=SERVICE, finished=timezone.now())


@transaction.atomic
def _end_again(task: Task) -> bool:
    """End a task that was ended early before, and of which a part was made again, when nothing of it goes on."""
    # Whoever sends a part of it again holds its row: before that, or after it.
    if not Task.objects.select_for_update().filter(pk=task.pk, state=TaskState.RUNNING).exists():
        return False
    chunks, groups = Chunk.objects.filter(task=task), MergeGroup.objects.filter(task=task)
    if chunks.filter(_goes_on(OVER, ChunkState.FAILED)).exists():
        return False
    if groups.filter(_goes_on(_MERGED, GroupState.FAILED)).exists() or _unjudged(task).exists():
        return False
    return not on_their_way(task) and move(task, TaskState.FINISHED, by=SERVICE, finished=timezone.now())


def _goes_on(over: Iterable[ChunkState | GroupState], failed: ChunkState | GroupState) -> Q:
    """Say of a chunk, or of a merge, that it is not at its end, or is tried once more."""
    return ~Q(state__in=values(over)) | Q(state=failed, due__isnull=False, attempts__lt=F("task__max_attempts"))


def _unjudged(task: Task) -> QuerySet[Run]:
    """Select the runs that are merged, or checked, in one of the next turns, and for which no person is waited."""
    runs = Run.objects.filter(task=task)
    left = Chunk.objects.filter(run=OuterRef("pk")).exclude(state=ChunkState.FINISHED)
    unmade = MergeGroup.objects.filter(run=OuterRef("pk")).exclude(state=GroupState.FINISHED)
    asked = CrossCheck.objects.filter(run=OuterRef("pk"), verdict=Verdict.MANUAL_CHECK)
    return unmerged(runs).filter(~Exists(left), ~Exists(unmade), ~Exists(asked))


def unmerged(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Select the runs that lack a merge or a check that the chain of their task's type has."""
    groups = MergeGroup.objects.filter(run=OuterRef("pk"))
    passed = CrossCheck.objects.filter(run=OuterRef("pk"), verdict__in=values(PASSED))
    lacking = Q(Exists(groups.exclude(state=GroupState.FINISHED)))
    for merge, types in every_merge():
        wanted = Q(task__type__in=types, task__merge_dumps=True) if merge.optional else Q(task__type__in=types)
        # A check that has passed tells more than groups: where nothing was dumped there are none.
        made = passed.filter(kind=merge.check) if merge.check else groups.filter(kind=merge.kind)
        lacking |= wanted & ~Q(Exists(made))
    return runs.filter(lacking)
