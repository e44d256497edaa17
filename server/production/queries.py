"""Reading the production: progress of tasks, the run × step matrix, evidence and outputs. A fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from server.production.chains import chain_of
from server.production.models import Chunk, CrossCheck, MergeGroup, Output, Run, Task, TaskEvent
from server.production.states import (
    PASSED,
    CheckKind,
    ChunkState,
    GroupState,
    MergeKind,
    OutputKind,
    TaskType,
    Verdict,
    values,
)
from server.production.submission.explain import Explanation, explain
from server.production.task_limits import TaskLimit, limits_of
from server.taskbuffer import queries as taskbuffer

#: Step -> the words for it, in the order of the chain.
STEPS = {
    "analysis": "jobs",
    "generation": "generation",
    "reconstruction": "reconstruction",
    "filtering": "filtering",
    "merge_mdst": "mDST merge",
    "crosscheck": "cross-check",
    "merge_hist": "histograms",
    "merge_dump": "event dumps",
}
_MERGES = {MergeKind.MDST: "merge_mdst", MergeKind.HISTOGRAMS: "merge_hist", MergeKind.DUMP: "merge_dump"}
_RUNNING = values((ChunkState.SENT, ChunkState.RUNNING))
_BAD = values((ChunkState.FAILED, ChunkState.MANUAL_CHECK))


@dataclass
class Progress:
    """How far a step of a task or of a run is: pieces, of which some are done, under way, or bad."""

    step: str
    total: int = 0
    done: int = 0
    active: int = 0
    bad: int = 0
    words: str = ""

    @property
    def label(self) -> str:
        return STEPS[self.step]

    @property
    def percent(self) -> int:
        return self._share(self.done)

    @property
    def active_percent(self) -> int:
        return self._share(self.active)

    @property
    def bad_percent(self) -> int:
        return self._share(self.bad)

    @property
    def state(self) -> str:
        """Done, bad, active or waiting: what a cell of the matrix shows."""
        if self.total and self.done >= self.total:
            return "done"
        if self.bad:
            return "bad"
        return "active" if self.active or self.done else "waiting"

    def _share(self, part: int) -> int:
        return min(100, part * 100 // self.total) if self.total else 0

    def as_json(self) -> dict[str, Any]:
        counts = {"total": self.total, "done": self.done, "active": self.active, "bad": self.bad}
        return {"step": self.step, "label": self.label, **counts, "state": self.state, "words": self.words}


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
            "type": task.type,
            "status": task.state,
            "production": task.production,
            "year": task.year,
            "period": task.period,
            "slot": task.slot,
            "soft": task.soft,
            "queue": task.queue,
            "parent": task.parent_task.name if task.parent_task else None,
            "owner": task.owner,
            "comment": task.comment,
            "created": _iso(task.created),
            "started": _iso(task.started),
            "finished": _iso(task.finished),
            "runs": self.runs,
            "events": {"ordered": self.events_generated, "done": self.events_done, "merged": self.events_merged},
            "steps": [step.as_json() for step in self.steps],
        }


@dataclass
class RunLine:
    """A run with one cell per step, and what its cross-checks found."""

    number: int
    cells: list[Progress]
    checks: list[CrossCheck] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.number,
            "steps": [cell.as_json() for cell in self.cells],
            "checks": [check_json(check) for check in self.checks],
            "words": self.words,
        }


def check_json(check: CrossCheck) -> dict[str, Any]:
    return {
        "run": check.run.number,
        "kind": check.kind,
        "verdict": check.verdict,
        "expected": check.expected,
        "found": check.found,
        "words": check.words,
        "at": _iso(check.at),
    }


def steps_of(task: Task) -> tuple[str, ...]:
    """Answer the steps of a task's chain, in order."""
    return chain_of(task.type).steps(merge_dumps=task.merge_dumps)


def task_lines(tasks: Sequence[Task]) -> list[TaskLine]:
    """Answer the progress of these tasks, in a number of queries that does not depend on how many they are."""
    found = _cells(tasks, per_run=False)
    runs = dict(Run.objects.filter(task__in=tasks).values_list("task").annotate(Count("pk")).order_by())
    sums = _sums_of_events(tasks)
    return [
        TaskLine(task, list(found.get((task.pk, 0), _empty(task)).values()), *sums[task.pk], runs.get(task.pk, 0))
        for task in tasks
    ]


def recent_tasks(most: int = 50) -> list[TaskLine]:
    """Answer the latest tasks, newest first."""
    return task_lines(list(Task.objects.select_related("parent_task").order_by("-id")[:most]))


def run_lines(task: Task, most: int = 500) -> list[RunLine]:
    """Answer the run × step matrix of a task."""
    found = _cells([task], per_run=True)
    checks: dict[int, list[CrossCheck]] = {}
    for check in CrossCheck.objects.filter(task=task).select_related("run").order_by("kind"):
        checks.setdefault(check.run_id, []).append(check)
    words = _troubles(task)
    return [
        RunLine(
            run.number,
            list(found.get((task.pk, run.pk), _empty(task)).values()),
            checks.get(run.pk, []),
            words.get(run.pk, []),
        )
        for run in Run.objects.filter(task=task).order_by("number")[:most]
    ]


def _troubles(task: Task) -> dict[int, list[str]]:
    """Answer the first words about what failed or waits for a person, by run."""
    found: dict[int, list[str]] = {}
    for chunk in Chunk.objects.filter(task=task, state__in=_BAD).order_by("number")[:200]:
        found.setdefault(chunk.run_id, []).append(f"chunk {chunk.number}: {chunk.get_state_display()}: {chunk.words}")
    for group in MergeGroup.objects.filter(task=task, state__in=_BAD).order_by("number")[:200]:
        found.setdefault(group.run_id, []).append(
            f"{group.get_kind_display()} merge {group.number}: {group.get_state_display()}: {group.words}"
        )
    return found


def _empty(task: Task) -> dict[str, Progress]:
    return {step: Progress(step) for step in steps_of(task)}


def _cells(tasks: Sequence[Task], *, per_run: bool) -> dict[tuple[int, int], dict[str, Progress]]:
    """Count chunks, groups and checks by task, or by task and run; (task, 0) is the whole task."""
    by = {task.pk: task for task in tasks}
    cells: dict[tuple[int, int], dict[str, Progress]] = {}

    def cell(row: Mapping[str, Any], step: str) -> Progress:
        key = (row["task"], row["run"] if per_run else 0)
        steps = cells.setdefault(key, _empty(by[row["task"]]))
        return steps.setdefault(step, Progress(step))

    grouping = ["task", "run"] if per_run else ["task"]
    for row in _counted(Chunk.objects.filter(task__in=tasks), grouping):
        first = steps_of(by[row["task"]])[0]
        _count(cell(row, first), row, row["count"])
    _count_merges(tasks, cell, grouping)
    return cells


def _counted(rows: Any, grouping: list[str]) -> Any:
    return rows.order_by().values(*grouping, "state").annotate(count=Count("pk"))


def _count(progress: Progress, row: Mapping[str, Any], count: int) -> None:
    progress.total += count
    progress.done += count * (row["state"] == ChunkState.FINISHED)
    progress.active += count * (row["state"] in _RUNNING)
    progress.bad += count * (row["state"] in _BAD)


def _count_merges(tasks: Sequence[Task], cell: Any, grouping: list[str]) -> None:
    """Count merges and checks in runs: how many groups a run will have is known only when it is planned."""
    merging = {task.pk: steps[1:] for task in tasks if len(steps := steps_of(task)) > 1}
    key = "pk" if grouping == ["task", "run"] else "task"
    runs = Run.objects.filter(task__in=merging).order_by()
    for row in runs.values("task", run=F(key)).annotate(count=Count("pk")):
        for step in merging[row["task"]]:
            cell(row, step).total += row["count"]
    groups = MergeGroup.objects.filter(task__in=merging).order_by().values("task", "run", "kind")
    counted = groups.annotate(
        count=Count("pk"),
        finished=Count("pk", filter=Q(state=GroupState.FINISHED)),
        sent=Count("pk", filter=Q(state=GroupState.SENT)),
        bad=Count("pk", filter=Q(state__in=_BAD)),
    )
    for merged in counted:
        progress = cell(merged, _MERGES[MergeKind(merged["kind"])])
        progress.done += merged["finished"] == merged["count"]
        progress.active += bool(merged["sent"])
        progress.bad += bool(merged["bad"])
        if merged["count"] > 1:
            progress.words = f"{merged['finished']} of {merged['count']} files"
    for check in CrossCheck.objects.filter(task__in=merging).values("task", "run", "kind", "verdict", "found"):
        _count_check(check, cell)


def _count_check(row: Mapping[str, Any], cell: Any) -> None:
    if row["kind"] == CheckKind.MDST:
        progress = cell(row, "crosscheck")
        progress.done += row["verdict"] in values(PASSED)
        progress.bad += row["verdict"] == Verdict.MANUAL_CHECK
    elif row["verdict"] == Verdict.MANUAL_CHECK:
        cell(row, "merge_dump").bad += 1
    elif row["found"] == 0:
        # Nothing was dumped in this run: it has no groups and is complete.
        cell(row, "merge_dump").done += 1


def _sums_of_events(tasks: Sequence[Task]) -> dict[int, tuple[int, int, int]]:
    """Answer events ordered, done and merged by task."""
    finished = Q(state=ChunkState.FINISHED)
    sums = {task.pk: (0, 0, 0) for task in tasks}
    chunks = Chunk.objects.filter(task__in=tasks).order_by().values("task")
    for row in chunks.annotate(ordered=Sum("events_ordered"), done=Sum("events_done", filter=finished)):
        sums[row["task"]] = (row["ordered"] or 0, row["done"] or 0, 0)
    merged = MergeGroup.objects.filter(task__in=tasks, kind=MergeKind.MDST, state=GroupState.FINISHED)
    for found in merged.order_by().values("task").annotate(sum=Sum("events_found")):
        ordered, done, _ = sums[found["task"]]
        sums[found["task"]] = (ordered, done, found["sum"] or 0)
    return sums


def outputs_of(task: Task, *, merged_only: bool = False, most: int = 200) -> list[Output]:
    """Answer a task's files: the merged ones first, logs left out."""
    merged = values((OutputKind.MERGED_MDST, OutputKind.MERGED_HISTOGRAMS, OutputKind.MERGED_DUMP))
    outputs = Output.objects.filter(task=task).exclude(kind=OutputKind.LOG).select_related("run")
    if merged_only:
        outputs = outputs.filter(kind__in=merged)
    return list(outputs.order_by(F("chunk_id").asc(nulls_first=True), "run__number", "kind", "lfn")[:most])


def output_json(output: Output) -> dict[str, Any]:
    return {
        "run": output.run.number,
        "kind": output.kind,
        "lfn": output.lfn,
        "dataset": output.dataset,
        "endpoint": output.endpoint,
        "url": output.url,
        "size": output.size,
        "checksum": output.checksum,
        "events": output.events,
    }


def recent_events(task: Task | None = None, most: int = 20) -> list[TaskEvent]:
    """Answer the latest moves, newest first; of one task or of all."""
    events = TaskEvent.objects.select_related("task", "run", "chunk__run", "group__run")
    return list((events.filter(task=task) if task else events).order_by("-id")[:most])


def event_json(event: TaskEvent) -> dict[str, Any]:
    return {
        "task": event.task.name,
        "what": what_moved(event),
        "before": event.before,
        "after": event.after,
        "job": event.job_id,
        "by": event.by,
        "words": event.words,
        "at": _iso(event.at),
    }


def what_moved(event: TaskEvent) -> str:
    """Name what moved within its task; empty for the task itself."""
    if event.chunk:
        return f"run {event.chunk.run.number} chunk {event.chunk.number}"
    if event.run:
        return f"run {event.run.number} cross-check"
    if event.group:
        return f"run {event.group.run.number} {event.group.get_kind_display()} merge {event.group.number}"
    return ""


def children_of(task: Task) -> list[str]:
    """Answer the names of the tasks that take their runs from this one."""
    return list(task.children.order_by("id").values_list("name", flat=True))


def find_task(name: str) -> Task | None:
    return Task.objects.select_related("parent_task").filter(name=name).first()


def find_task_by_number(number: int) -> Task | None:
    return Task.objects.select_related("parent_task").filter(pk=number).first()


def owners_of_user_tasks(numbers: Iterable[int]) -> dict[int, str]:
    """Answer the owner of each of these tasks that a user has submitted; the others are left out."""
    rows = Task.objects.filter(pk__in=set(numbers), type=TaskType.USER_ANALYSIS).order_by()
    return dict(rows.values_list("pk", "owner"))


def task_json(task: Task) -> dict[str, Any]:
    """Answer everything about a task: progress, matrix, cross-checks, outputs, latest moves."""
    (line,) = task_lines([task])
    runs = run_lines(task)
    return {
        **line.as_json(),
        "jobs": taskbuffer.counts_of_task(task.pk),
        "matrix": [run.as_json() for run in runs],
        "checks": [check_json(check) for run in runs for check in run.checks],
        "outputs": [output_json(output) for output in outputs_of(task)],
        "events_log": [event_json(event) for event in recent_events(task)],
        "children": children_of(task),
        "limits": [limit.as_json() for limit in limit_lines(task)],
    }


def limit_lines(task: Task) -> list[TaskLimit]:
    """Answer what limits a task, each value with where it comes from."""
    return limits_of(task)


def explanation(task: Task) -> Explanation:
    """Answer why so many, or no, jobs of a task are being sent."""
    return explain(task, timezone.now())


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
