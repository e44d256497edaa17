"""Step: running tasks whose rows say that nothing is left to do are done."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

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
)

SERVICE = "production.finish"


def finish_tasks() -> int:
    """Call tasks done of which every counter is complete; answer how many."""
    running = Task.objects.filter(state=TaskState.RUNNING)
    left = Chunk.objects.filter(task=OuterRef("pk")).exclude(state=ChunkState.FINISHED)
    runs = Run.objects.filter(task=OuterRef("pk"))
    complete = running.filter(Exists(runs), ~Exists(left)).filter(
        Q(type=TaskType.MC_GENERATION) | ~Exists(unmerged(runs))
    )
    return sum(move(task, TaskState.DONE, by=SERVICE, finished=timezone.now()) for task in complete)


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
