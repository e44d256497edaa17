"""Reading what failed, or waits for a person, by its cause: groups of failures, and samples of one group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from server.production.causes import COLUMNS, Cause, cause_of, of_cause, untold, words_of
from server.production.models import Chunk, MergeGroup, Task
from server.production.queries.events import iso
from server.production.states import ACTIVE, PACKING, ChunkState, TaskState, values
from server.taskbuffer.models import Job

#: Samples of one cause.
SAMPLES = 20
#: Names that a group tells of the tasks and queues that it is in.
NAMES = 5
_BAD = (ChunkState.FAILED, ChunkState.MANUAL_CHECK)
#: What failed in other tasks is history: nothing of it is done again.
_OPEN = (*ACTIVE, TaskState.PAUSED, TaskState.FINISHING, TaskState.FINISHED, *PACKING)


@dataclass
class Failing:
    """All that failed by one cause; counts of chunks and merges together."""

    cause: Cause
    failed: int = 0
    manual_check: int = 0
    tasks: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    queues: Counter[str] = field(default_factory=Counter)
    latest: datetime | None = None

    @property
    def count(self) -> int:
        return self.failed + self.manual_check

    @property
    def words(self) -> str:
        return words_of(self.cause)[0]

    @property
    def advice(self) -> str:
        return words_of(self.cause)[1]

    @property
    def first_tasks(self) -> list[tuple[str, int]]:
        return self.tasks.most_common(NAMES)

    @property
    def ways(self) -> list[tuple[str, int, int]]:
        """Answer in which tasks something can be sent again: the name, how many failed, how many wait for a person."""
        return [(name, count - self.waiting[name], self.waiting[name]) for name, count in self.first_tasks]

    @property
    def first_queues(self) -> list[tuple[str, int]]:
        return self.queues.most_common(NAMES)

    def as_json(self) -> dict[str, Any]:
        return {
            "cause": str(self.cause),
            "words": self.words,
            "advice": self.advice,
            "failed": self.failed,
            "manual_check": self.manual_check,
            "tasks": dict(self.tasks.most_common()),
            "queues": dict(self.queues.most_common()),
            "latest": iso(self.latest),
        }


@dataclass(frozen=True)
class Sample:
    """A chunk or a merge that failed."""

    row: Chunk | MergeGroup

    @property
    def what(self) -> str:
        row = self.row
        return f"chunk {row.number}" if isinstance(row, Chunk) else f"{row.get_kind_display()} merge {row.number}"

    def as_json(self) -> dict[str, Any]:
        row = self.row
        named = {"task": row.task.name, "run": row.run.number, "what": self.what, "state": row.state}
        return {**named, "job": row.job_id, "attempts": row.attempts, "words": row.words, "updated": iso(row.updated)}


def failing(task: str = "", queue: str = "") -> list[Failing]:
    """Answer what failed in tasks that are not over, by cause, most first; in a fixed number of questions.

    Args:
        task: In this task only; empty: in all.
        queue: Jobs of this queue only; empty: of all, and what no job was about.
    """
    tasks = Task.objects.filter(state__in=values(_OPEN))
    names = dict((tasks.filter(name=task) if task else tasks).values_list("pk", "name"))
    found: dict[Cause, Failing] = {}
    for row in _counted(list(names), queue):
        group = found.setdefault(row["cause"], Failing(row["cause"]))
        if row["state"] == ChunkState.FAILED:
            group.failed += row["n"]
        else:
            group.manual_check += row["n"]
            group.waiting[names.get(row["task_id"], "")] += row["n"]
        group.tasks[names.get(row["task_id"], "")] += row["n"]
        if row["queue"]:
            group.queues[row["queue"]] += row["n"]
        if row["latest"] is not None and (group.latest is None or row["latest"] > group.latest):
            group.latest = row["latest"]
    return sorted(found.values(), key=lambda group: (-group.count, group.cause))


def _counted(tasks: Sequence[int], queue: str) -> Iterator[dict[str, Any]]:
    """Count chunks and merges by state, task, queue and the codes of their jobs."""
    models: tuple[Any, ...] = (Chunk, MergeGroup)
    for model in models:
        for state in values(_BAD):
            bad = model._default_manager.filter(state=state, task__in=tasks).order_by()
            jobs = Job.objects.filter(pk__in=bad.filter(job_id__isnull=False).values("job_id"))
            jobs = jobs.filter(queue=queue) if queue else jobs
            grouped = jobs.order_by().values("task_id", "queue", *COLUMNS.values())
            for row in grouped.annotate(n=Count("pk"), latest=Max("ended_at")):
                yield {**row, "state": state, "cause": cause_of(row)}
            if queue:
                continue
            without = bad.filter(untold()).values("task_id")
            for row in without.annotate(n=Count("pk"), latest=Max("updated")):
                yield {**row, "state": state, "queue": "", "cause": Cause()}


def samples(cause: Cause, task: str = "", queue: str = "") -> list[Sample]:
    """Answer the latest chunks and merges that failed by a cause."""
    found: list[Chunk | MergeGroup] = []
    for rows in (_bad(Chunk.objects.all(), task, queue), _bad(MergeGroup.objects.all(), task, queue)):
        found += (
            of_cause(rows, cause).select_related("task", "run").defer("task__filelist").order_by("-updated")[:SAMPLES]
        )
    return [Sample(row) for row in sorted(found, key=lambda row: row.updated, reverse=True)[:SAMPLES]]


def _bad(rows: QuerySet[Any], task: str, queue: str) -> QuerySet[Any]:
    wanted = Q(state__in=values(_BAD), task__state__in=values(_OPEN))
    if task:
        wanted &= Q(task__name=task)
    if queue:
        wanted &= Q(job_id__in=Job.objects.filter(queue=queue).values("pk"))
    return rows.filter(wanted)
