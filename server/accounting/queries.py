"""What was used, for brokerage, pages and clients: only reads."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from django.db.models import Count, QuerySet, Sum

from server.accounting.models import Bookmark, Failure, Quota, ShareUse, Usage
from server.accounting.settled import NAME
from server.accounting.sums import COLUMNS

#: What is added up.
SUMS = COLUMNS

#: What usage can be told apart by, beside the day; and the column of each.
DIMENSIONS = {
    "user": "user",
    "group": "group",
    "site": "queue",
    "task": "task_id",
    "label": "label",
    "share": "share",
}


@dataclass(frozen=True)
class Wanted:
    """Which usage is asked for: from the first day to the last, and of these alone; empty: of all."""

    first: date
    last: date
    user: str = ""
    group: str = ""
    queues: frozenset[str] = frozenset()
    task: int | None = None
    label: str = ""


@dataclass(frozen=True)
class Line:
    """The sums of one day, of one user, group, queue, task, label or share."""

    day: date
    of: str
    sums: Counter[str]


@dataclass(frozen=True)
class Cause:
    """How many tries failed in one way."""

    source: str
    code: int
    attempts: int


@dataclass(frozen=True)
class Used:
    """What was used; ``lines`` are sorted by day."""

    by: str
    lines: tuple[Line, ...] = ()
    causes: tuple[Cause, ...] = ()

    @cached_property
    def total(self) -> Counter[str]:
        found = Counter[str]()
        for sums in self.of.values():
            found.update(sums)
        return found

    @cached_property
    def of(self) -> dict[str, Counter[str]]:
        """The sums of all days by name; whoever used most core-seconds comes first."""
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for line in self.lines:
            found[line.of].update(line.sums)
        return dict(sorted(found.items(), key=lambda one: (-_core_seconds(one[1]), one[0])))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.of)


def _core_seconds(sums: Counter[str]) -> int:
    return sums["good_core_seconds"] + sums["lost_core_seconds"]


def used(wanted: Wanted, by: str) -> Used:
    """Answer usage by day and one of `DIMENSIONS`."""
    column = DIMENSIONS[by]
    rows = _rows(wanted).order_by("day", column).values_list("day", column)
    named = {f"sum_{name}": Sum(name) for name in COLUMNS}
    lines = tuple(
        Line(day, str(of or ""), Counter(dict(zip(COLUMNS, map(int, sums), strict=True))))
        for day, of, *sums in rows.annotate(**named)
    )
    return Used(by, lines, _causes(wanted))


def _causes(wanted: Wanted, most: int = 50) -> tuple[Cause, ...]:
    failures = Failure.objects.filter(usage__in=_rows(wanted)).order_by().values_list("source", "code")
    counted = failures.annotate(n=Sum("attempts")).order_by("-n", "source", "code")[:most]
    return tuple(Cause(source, code, int(n)) for source, code, n in counted)


def _rows(wanted: Wanted) -> QuerySet[Usage]:
    rows = Usage.objects.filter(day__gte=wanted.first, day__lte=wanted.last)
    exact = {"user": wanted.user, "group": wanted.group, "label": wanted.label}
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if wanted.queues:
        rows = rows.filter(queue__in=wanted.queues)
    return rows if wanted.task is None else rows.filter(task_id=wanted.task)


#: The columns of a table of all rows.
ALL = ("day", "user", "group", "share", "queue", "task_id", "label", *COLUMNS)


def rows(wanted: Wanted) -> Iterator[tuple[Any, ...]]:
    """Answer every row that is kept of it, in the order of `ALL`."""
    return _rows(wanted).order_by("day", "queue", "user", "pk").values_list(*ALL).iterator(chunk_size=2000)


def count_rows(wanted: Wanted) -> int:
    return int(_rows(wanted).aggregate(n=Count("pk"))["n"])


def past_use() -> dict[str, float]:
    """Answer the cores that each share has had of late, on average."""
    return dict(ShareUse.objects.values_list("share", "cores"))


def exhausted() -> dict[tuple[str, str], str]:
    """Answer whose quotas are used up, by kind and name, and the words for it."""
    return {(quota.kind, quota.name): quota.over for quota in Quota.objects.all() if quota.over}


def position() -> int:
    """Answer the number of the last event that is counted."""
    return int(Bookmark.objects.filter(name=NAME).values_list("position", flat=True).first() or 0)
