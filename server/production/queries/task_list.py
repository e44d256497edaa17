"""Reading the list of tasks: chosen by filters, page by page, with what moved lately and why a task is stuck."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from server.lib.remembered import Remembered
from server.production.models import Chunk, CrossCheck, MergeGroup, Output, Task, TaskEvent
from server.production.queries.tasks import TaskLine, task_lines
from server.production.staging.models import TaskStaging
from server.production.states import (
    ACTIVE,
    ChunkState,
    GroupState,
    TapeState,
    TaskState,
    TaskType,
    Verdict,
    values,
)
from server.production.submission.record import last_decisions

#: Tasks on one page.
PAGE = 25
#: What has a person's or nobody's turn; those that are on their way; those that are over.
TASK_SHOWS: Mapping[str, tuple[TaskState, ...]] = {
    "all": (),
    "open": (
        *(*ACTIVE, TaskState.PAUSED, TaskState.FINISHING, TaskState.RESEND_FAILED, TaskState.RESEND_STAGING),
        *(TaskState.RESEND_MANUAL_CHECK, TaskState.ARCHIVE, TaskState.ARCHIVING),
    ),
    "new": (TaskState.DRAFT, TaskState.READY, TaskState.JOBS_READY),
    "over": (TaskState.DONE, TaskState.FINISHED, TaskState.CANCELLED, TaskState.ARCHIVED),
}
TASK_STATES, TASK_TYPES = tuple(TaskState.values), tuple(TaskType.values)
#: A chunk that comes from tape, or a file on its way there, hangs after so long.
HANGS = timedelta(days=1)


@dataclass(frozen=True)
class Filters:
    """Which tasks are wanted; what is empty is not asked for."""

    show: str = "all"
    state: str = ""
    type: str = ""
    production: str = ""
    year: int | None = None
    period: str = ""
    queue: str = ""
    owner: str = ""
    search: str = ""


@dataclass(frozen=True)
class ListedTask:
    """A task of the list; ``moved`` counts its moves of the last day by what they led to."""

    line: TaskLine
    moved: Mapping[str, int] = field(default_factory=dict)
    stuck: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        return {**self.line.as_json(), "moved": dict(self.moved), "stuck": list(self.stuck)}


@dataclass(frozen=True)
class TaskPage:
    lines: list[ListedTask]
    total: int
    number: int
    pages: int

    def as_json(self) -> dict[str, Any]:
        found = {"total": self.total, "page": self.number, "pages": self.pages}
        return {"tasks": [line.as_json() for line in self.lines], **found}


def task_page(wanted: Filters, now: datetime, *, number: int = 1, most: int = PAGE) -> TaskPage:
    """Answer a page of tasks, newest first; a fixed number of queries."""
    chosen = _chosen(wanted)
    total = chosen.count()
    pages = max(1, -(-total // most))
    number = max(1, min(number, pages))
    tasks = list(_light(chosen).order_by("-id")[(number - 1) * most : number * most])
    moved = moves_since(tuple(task.pk for task in tasks), now - timedelta(days=1))
    stuck = why_stuck(tasks, now)
    lines = [
        ListedTask(line, moved.get(line.task.pk, {}), [words for _, words in stuck.get(line.task.pk, ())])
        for line in task_lines(tasks)
    ]
    return TaskPage(lines, total, number, pages)


def _light(rows: QuerySet[Task]) -> QuerySet[Task]:
    """Leave out the lists of runs and files: they have megabytes, and no list of tasks shows them."""
    return rows.select_related("parent_task", "site").defer("filelist", "parent_task__filelist")


def _chosen(wanted: Filters) -> QuerySet[Task]:
    rows = Task.objects.all()
    if states := TASK_SHOWS[wanted.show]:
        rows = rows.filter(state__in=values(states))
    exact = {"state": wanted.state, "type": wanted.type, "production": wanted.production, "year": wanted.year}
    exact |= {"period": wanted.period, "owner": wanted.owner}
    rows = rows.filter(**{name: value for name, value in exact.items() if value not in ("", None)})
    if wanted.queue:
        rows = rows.filter(Q(queue=wanted.queue) | Q(site__name=wanted.queue))
    if wanted.search:
        text = wanted.search
        rows = rows.filter(Q(name__icontains=text) | Q(production__icontains=text) | Q(soft__icontains=text))
    return rows


def moves_since(tasks: tuple[int, ...], since: datetime) -> dict[int, dict[str, int]]:
    """Count the moves of chunks, merges and checks of tasks by what they led to; believed for a minute."""
    return MOVES.of((tasks, since.replace(second=0, microsecond=0)))


def _count_moves(asked: tuple[tuple[int, ...], datetime]) -> dict[int, dict[str, int]]:
    tasks, since = asked
    found: dict[int, dict[str, int]] = defaultdict(dict)
    rows = TaskEvent.objects.filter(task__in=tasks, at__gte=since).order_by()
    ends = rows.filter(Q(chunk__isnull=False) | Q(group__isnull=False) | Q(run__isnull=False), after__in=_ENDS)
    for task, after, count in ends.values_list("task", "after").annotate(count=Count("pk")):
        found[task][after] = count
    return dict(found)


#: What is worth telling that it happened.
_ENDS = ("finished", "failed", "manual_check", "yes", "accepted")
MOVES: Remembered[tuple[tuple[int, ...], datetime], dict[int, dict[str, int]]] = Remembered(
    _count_moves, seconds=60, most=50
)


#: Why something is stuck, in the order in which a shift looks at it -> the words for it.
CAUSES = {
    "look": "a person has to look",
    "check": "cross-checks found a difference",
    "failed": "failed for the last time",
    "staging": "does not come from tape",
    "tape": "does not come to tape",
    "room": "nothing is sent",
}
#: Task -> (cause, words).
Said = dict[int, list[tuple[str, str]]]


def why_stuck(tasks: Sequence[Task], now: datetime) -> Said:
    """Say of each of these tasks that does not go on by itself why; eight queries, each over what is bad alone."""
    keys = [task.pk for task in tasks if task.state in values(TASK_SHOWS["open"])]
    said: Said = defaultdict(list)
    _tell_bad(said, keys)
    files = Output.objects.filter(task__in=keys)
    late = Chunk.objects.filter(task__in=keys, state=ChunkState.STAGING, updated__lt=now - HANGS)
    for cause, words, rows in (
        ("check", "cross-checks found a difference: accept it, or merge again", _different(keys)),
        ("staging", "chunks wait for tape since more than a day", late),
        ("tape", "files have not come to tape", files.filter(tape=TapeState.FAILED)),
        (
            "tape",
            "files are on their way to tape since more than a day",
            files.filter(tape=TapeState.SENT, tape_since__lt=now - HANGS),
        ),
    ):
        for task, count in rows.order_by().values_list("task").annotate(count=Count("pk")):
            said[task].append((cause, f"{count} {words}"))
    _tell_sending(said, tasks)
    return dict(said)


def _different(keys: Sequence[int]) -> QuerySet[Any]:
    return CrossCheck.objects.filter(task__in=keys, verdict=Verdict.MANUAL_CHECK)


def _tell_sending(said: Said, tasks: Sequence[Task]) -> None:
    """Tell why nothing more is asked for on tape, or sent."""
    active = [task.pk for task in tasks if task.state in values(ACTIVE)]
    for key, words in TaskStaging.objects.filter(task__in=active).exclude(words="").values_list("task", "words"):
        said[key].append(("staging", f"no more of its files are asked for: {words}"))
    for key, one in last_decisions(active).items():
        if one.words and not one.sent:
            said[key].append(("room", f"nothing could be sent: {one.words}"))
        elif not one.number and one.trace and one.trace[0]["number"]:
            said[key].append(("room", f"nothing is sent: {one.reason}"))


def _tell_bad(said: Said, keys: Sequence[int]) -> None:
    """Tell what failed for the last time, and what waits for a person."""
    tables: tuple[tuple[str, QuerySet[Any]], ...] = (
        ("chunks", Chunk.objects.filter(task__in=keys)),
        ("merges", MergeGroup.objects.filter(task__in=keys)),
    )
    for what, rows in tables:
        bad = rows.filter(state__in=values((GroupState.FAILED, GroupState.MANUAL_CHECK))).order_by().values("task")
        last = Count("pk", filter=Q(state=GroupState.FAILED, attempts__gte=F("task__max_attempts")))
        look = Count("pk", filter=Q(state=GroupState.MANUAL_CHECK))
        for row in bad.annotate(last=last, look=look):
            if row["look"]:
                said[row["task"]].append(("look", f"{row['look']} {what} wait for a person to look at them"))
            if row["last"]:
                said[row["task"]].append(("failed", f"{row['last']} {what} have failed for the last time"))
