"""Reading tasks: each with its progress, as lists and clients show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, Sum, prefetch_related_objects

from server.production.frames import tape_of
from server.production.models import Chunk, MergeGroup, Task
from server.production.queries.events import iso
from server.production.queries.progress import Progress, count_tasks
from server.production.states import ChunkState, GroupState, MergeKind, TaskType
from server.production.totals.models import TaskTotals

#: Chunks of a task from which on nobody waits until their events are added up: that is done once a minute.
LARGE = 5000


@dataclass
class TaskLine:
    """A task with its progress, as a list shows it."""

    task: Task
    steps: list[Progress]
    events_generated: int = 0
    events_done: int = 0
    events_merged: int = 0
    runs: int = 0

    @property
    def bad(self) -> int:
        """How many pieces failed or wait for a person."""
        return sum(step.bad for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        task = self.task
        return {
            "name": task.name,
            "type": task.kind or task.type,
            "status": task.state,
            "production": task.production,
            "year": task.year,
            "period": task.period,
            "slot": task.slot,
            "soft": task.soft,
            "site": task.site.name if task.site else None,
            "queue": task.queue,
            "tape": tape_of(task) or None,
            "parent": task.parent_task.name if task.parent_task else None,
            "owner": task.owner,
            "comment": task.comment,
            "created": iso(task.created),
            "started": iso(task.started),
            "finished": iso(task.finished),
            "runs": self.runs,
            "events": {"ordered": self.events_generated, "done": self.events_done, "merged": self.events_merged},
            "steps": [step.as_json() for step in self.steps],
        }


def task_lines(tasks: Sequence[Task]) -> list[TaskLine]:
    """Answer the progress of these tasks, in a number of queries that does not depend on how many they are."""
    prefetch_related_objects(tasks, "site")
    counted, sums = count_tasks(tasks), _sums_of_events(tasks)
    return [TaskLine(task, steps, *sums[task.pk], runs) for task in tasks for steps, runs in [counted[task.pk]]]


def recent_tasks(most: int = 50) -> list[TaskLine]:
    """Answer the latest tasks, newest first."""
    # The lists of runs and files have megabytes, and nobody shows them here.
    rows = Task.objects.select_related("parent_task", "site").defer("filelist", "parent_task__filelist")
    return task_lines(list(rows.order_by("-id")[:most]))


def _sums_of_events(tasks: Sequence[Task]) -> dict[int, tuple[int, int, int]]:
    """Answer events ordered, done and merged by task; those of large tasks as they were counted in the background."""
    finished = Q(state=ChunkState.FINISHED)
    sums = {task.pk: (0, 0, 0) for task in tasks}
    large = TaskTotals.objects.filter(task__in=tasks, chunks__gt=LARGE).in_bulk()
    for task in tasks:
        if totals := large.get(task.pk):
            sums[task.pk] = (task.events_per_chunk * totals.chunks, totals.events, 0)
    small = [task for task in tasks if task.pk not in large]
    chunks = Chunk.objects.filter(task__in=small).order_by().values("task")
    for row in chunks.annotate(ordered=Sum("events_ordered"), done=Sum("events_done", filter=finished)):
        sums[row["task"]] = (row["ordered"] or 0, row["done"] or 0, 0)
    merged = MergeGroup.objects.filter(task__in=tasks, kind=MergeKind.MDST, state=GroupState.FINISHED)
    for found in merged.order_by().values("task").annotate(sum=Sum("events_found")):
        ordered, done, _ = sums[found["task"]]
        sums[found["task"]] = (ordered, done, found["sum"] or 0)
    return sums


def children_of(task: Task) -> list[str]:
    """Answer the names of the tasks that take their runs from this one."""
    return list(task.children.order_by("id").values_list("name", flat=True))


def find_task(name: str) -> Task | None:
    return Task.objects.select_related("parent_task", "site").filter(name=name).first()


def find_task_by_number(number: int) -> Task | None:
    return Task.objects.select_related("parent_task", "site").filter(pk=number).first()


def owners_of_user_tasks(numbers: Iterable[int]) -> dict[int, str]:
    """Answer the owner of each of these tasks that a user has submitted; the others are left out."""
    rows = Task.objects.filter(pk__in=set(numbers), type=TaskType.USER_ANALYSIS).order_by()
    return dict(rows.values_list("pk", "owner"))
