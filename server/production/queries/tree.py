"""Reading which tasks take their files from which: families of tasks, level by level, from what was counted before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, QuerySet

from server.production.chains import chain_of
from server.production.models import Task
from server.production.queries.events import iso
from server.production.queries.progress import Progress, steps_of
from server.production.states import TaskState, TaskType, values
from server.production.totals.models import TaskTotals

#: Levels below the first task of a family that are shown, and above a task that is looked for.
DEPTH = 6
#: Families on one page, and children of one level of all of them that are shown.
PAGE, MOST = 25, 500
#: Tasks of which nothing more is to be expected.
_OVER = values((TaskState.CANCELLED, TaskState.FINISHED))
_BEFORE = values((TaskState.DRAFT, TaskState.READY, TaskState.JOBS_READY))


@dataclass
class Member:
    """A task of a family: what was counted of it, what it waits for, and the tasks that take their files from it.

    ``more`` says that it has children that are not shown: they are too deep, or too many.
    """

    task: Task
    totals: TaskTotals | None
    waits: str = ""
    children: list[Member] = field(default_factory=list)
    more: bool = False

    @property
    def progress(self) -> Progress | None:
        """Its chunks as they were counted in the background; nothing where they were not yet."""
        if self.totals is None:
            return None
        counted = Progress(steps_of(self.task)[0], total=self.totals.chunks)
        counted.add(self.totals.finished, done=True)
        counted.add(self.totals.failed, bad=True)
        return counted

    def as_json(self) -> dict[str, Any]:
        task, totals = self.task, self.totals
        names = ("runs", "chunks", "finished", "failed", "events", "results", "result_bytes", "taped")
        counted = {name: getattr(totals, name) for name in names} if totals else None
        return {
            **{"name": task.name, "type": task.kind or task.type, "status": task.state, "owner": task.owner},
            "feeds": None if task.parent_task_id is None else "by_chunk" if task.by_chunk else "when_done",
            "waits": self.waits or None,
            "counted": iso(totals.counted) if totals else None,
            "totals": counted,
            "children": [child.as_json() for child in self.children],
            "more": self.more,
        }


@dataclass(frozen=True)
class Tree:
    """One page of families; ``wanted`` is the task whose family it is, empty where all are asked for."""

    families: list[Member]
    total: int
    number: int
    pages: int
    wanted: str = ""

    def as_json(self) -> dict[str, Any]:
        found = {"total": self.total, "page": self.number, "pages": self.pages}
        return {"families": [member.as_json() for member in self.families], **found}


def tree_of_all(*, alone: bool = False, number: int = 1, most: int = PAGE) -> Tree:
    """Answer a page of families, the youngest first; with ``alone`` also tasks that feed no other."""
    first = _light().filter(parent_task=None).exclude(type=TaskType.USER_ANALYSIS)
    if not alone:
        first = first.filter(children__isnull=False).distinct()
    total = first.count()
    pages = max(1, -(-total // most))
    number = min(number, pages)
    families = [_member(task) for task in first.order_by("-id")[(number - 1) * most : number * most]]
    _descend(families)
    return Tree(families, total, number, pages)


def tree_of(task: Task) -> Tree:
    """Answer the family of a task: from what is above it, as far as that is shown, down."""
    head = task
    for _ in range(DEPTH):
        above = _light().filter(pk=head.parent_task_id).first() if head.parent_task_id else None
        if above is None:
            break
        head = above
    family = [_member(_light().get(pk=head.pk))]
    _descend(family)
    return Tree(family, 1, 1, 1, task.name)


def _light() -> QuerySet[Task]:
    """Leave out the lists of runs and files: they have megabytes."""
    return Task.objects.select_related("totals", "parent_task").defer("filelist", "parent_task__filelist")


def _member(task: Task) -> Member:
    return Member(task, getattr(task, "totals", None), _waits(task))


def _waits(task: Task) -> str:
    """Say what a task waits for of the task above it; nothing where it has or needs none."""
    parent = task.parent_task
    if parent is None or task.state in (*values((TaskState.DONE, TaskState.ARCHIVED)), *_OVER):
        return ""
    if parent.state in _BEFORE:
        return f"{parent.name} has not begun"
    if parent.state in values((TaskState.CANCELLED,)):
        return f"{parent.name} was cancelled"
    if not chain_of(task.type).from_parent or parent.state in values((TaskState.DONE, TaskState.ARCHIVED)):
        return ""
    if task.by_chunk:
        return f"each chunk for that of {parent.name}"
    return f"all chunks of {parent.name}"


def _descend(level: Sequence[Member]) -> None:
    """Fetch what is below these, one level with one question, as deep as is shown."""
    for depth in range(DEPTH + 1):
        above = {member.task.pk: member for member in level}
        if not above:
            return
        below_them = _light().filter(parent_task__in=above)
        found = list(below_them.order_by("pk")[: MOST + 1]) if depth < DEPTH else []
        if depth == DEPTH or len(found) > MOST:
            found = found[:MOST]
            shown = Counter(task.parent_task_id for task in found)
            counted = below_them.order_by().values_list("parent_task").annotate(count=Count("pk"))
            for key, count in counted:
                above[key].more = count > shown[key]
        below = [_member(task) for task in found]
        for member in below:
            above[member.task.parent_task_id or 0].children.append(member)
        level = below


def lines(families: Sequence[Member], depth: int = 0) -> Iterator[tuple[int, Member]]:
    """Yield the members of families with their depths, each before its children."""
    for member in families:
        yield depth, member
        yield from lines(member.children, depth + 1)
