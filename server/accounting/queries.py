"""What was used, for brokerage, pages and clients: only reads."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from django.db.models import Count, F, QuerySet, Sum

from server.accounting.days import Kept
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

    @property
    def core_hours(self) -> float:
        return _core_seconds(self.sums) / 3600


@dataclass(frozen=True)
class Cause:
    """How many tries failed in one way."""

    source: str
    code: int
    attempts: int


@dataclass(frozen=True)
class Used:
    """What was used; ``lines`` are sorted by day, and are of all names but those ``left_out``; the sum is of all."""

    by: str
    lines: tuple[Line, ...]
    causes: tuple[Cause, ...]
    left_out: int
    total: Counter[str]

    @property
    def of_others(self) -> Counter[str]:
        """The sum of the names that have no lines."""
        found = Counter(self.total)
        for sums in self.of.values():
            found.subtract(sums)
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


def used_by_some(wanted: Wanted, by: str, *, most: int, skip: int = 0) -> Used:
    """Answer usage by day and one of `DIMENSIONS`, of so many names: who used most core-seconds, after others."""
    column, rows = DIMENSIONS[by], _rows(wanted)
    names = rows.order_by().values_list(column).annotate(core=Sum(F("good_core_seconds") + F("lost_core_seconds")))
    some = [name for name, _ in names.order_by("-core", column)[skip : skip + most]]
    sums = rows.aggregate(**_SUMS)
    return Used(
        by,
        _lines(rows.filter(**{f"{column}__in": some}), column) if some else (),
        _causes(wanted),
        left_out=max(0, names.count() - skip - len(some)),
        total=Counter({name: int(sums[f"sum_{name}"] or 0) for name in COLUMNS}),
    )


def by_day(wanted: Wanted) -> list[Line]:
    """Answer usage by day, of all names together."""
    found = _rows(wanted).order_by("day").values_list("day").annotate(**_SUMS)
    return [Line(day, "", Counter(dict(zip(COLUMNS, map(int, sums), strict=True)))) for day, *sums in found]


_SUMS = {f"sum_{name}": Sum(name) for name in COLUMNS}


def _lines(rows: QuerySet[Usage], column: str) -> tuple[Line, ...]:
    """Add rows up by day and one column."""
    found = rows.order_by("day", column).values_list("day", column).annotate(**_SUMS)
    return tuple(
        Line(day, str(of or ""), Counter(dict(zip(COLUMNS, map(int, sums), strict=True)))) for day, of, *sums in found
    )


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


def kept() -> Kept:
    """Answer from when on usage is kept by day."""
    return Kept(Bookmark.objects.filter(name=NAME).values_list("days_from", flat=True).first())


def position() -> int:
    """Answer the number of the last event that is counted."""
    return int(Bookmark.objects.filter(name=NAME).values_list("position", flat=True).first() or 0)
