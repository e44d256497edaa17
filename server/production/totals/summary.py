"""The production summary: what was made by year, period, slot and more, from what was counted of each task."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Min, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, NullIf

from pilot.contract.codec import ContractError, shown, shown_name
from server.lib.texts import plain_cell
from server.production.models import Task
from server.production.states import ACTIVE, TaskState, TaskType, values
from server.production.totals.count import uncounted

#: What may be told apart, and the question's words for it, in the order of the columns.
KEYS = ("year", "period", "slot", "production", "type", "soft", "site", "queue")
#: Where that is no column: a type as people name it, and the site that a task was defined with.
_MEANT = {
    "type": Coalesce(NullIf("kind", Value("")), "type"),
    "site": Coalesce("site__name", Value("")),
}
#: What an address may say beside these: how it is told apart, and in which form it is answered.
_OTHERS = ("by", "csv", "json")
BY = ("year", "period", "slot")
_NUMBERS = ("year", "slot")
#: Lines of a page, and of its twin in JSON; a table as CSV has all.
MOST = 1000
#: Tasks that never were, or will not be.
_WITHOUT = (TaskState.DRAFT, TaskState.CANCELLED)


@dataclass(frozen=True)
class Sums:
    """What was made; sizes are bytes."""

    tasks: int = 0
    active: int = 0
    done: int = 0
    runs: int = 0
    chunks: int = 0
    finished: int = 0
    failed: int = 0
    events: int = 0
    results: int = 0
    result_events: int = 0
    result_bytes: int = 0
    taped: int = 0
    taped_bytes: int = 0

    @property
    def left(self) -> int:
        """Chunks that have not ended."""
        return self.chunks - self.finished - self.failed

    @property
    def part(self) -> float:
        """Percent of the chunks that are finished."""
        return 100 * self.finished / self.chunks if self.chunks else 0.0


@dataclass(frozen=True)
class Line:
    """The sums of the tasks that have the same ``keys``, in the order of the question."""

    keys: tuple[str, ...]
    sums: Sums


@dataclass(frozen=True)
class Summary:
    """All lines; ``left_out``: there are more.

    Every move until ``counted`` is in them; ``waiting`` tasks have moved since they were counted, or never were.
    """

    by: tuple[str, ...]
    lines: tuple[Line, ...]
    total: Sums
    counted: datetime | None
    waiting: int
    left_out: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "by": list(self.by),
            "lines": [{**dict(zip(self.by, line.keys, strict=True)), **vars(line.sums)} for line in self.lines],
            "total": vars(self.total),
            "counted": self.counted.isoformat() if self.counted else None,
            "waiting": self.waiting,
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class Question:
    """What is asked: told apart by what, and of which tasks; ``said`` are the words."""

    by: tuple[str, ...]
    only: Mapping[str, Any]
    said: Mapping[str, str]


def read_question(said: Mapping[str, str]) -> Question:
    """Read a question from the words of an address.

    Raises:
        ContractError: one of them makes no sense; the text names it.
    """
    for name in said:
        if name not in (*KEYS, *_OTHERS):
            known = ", ".join((*KEYS, *_OTHERS))
            raise ContractError(f"{shown_name(name)}: there is no such filter; there are {known}", field_name=name)
    words = {name: _words(name, said.get(name, "").strip()) for name in (*KEYS, "by")}
    by = tuple(dict.fromkeys(word.strip() for word in words["by"].split(",") if word.strip())) or BY
    if unknown := [word for word in by if word not in KEYS]:
        raise ContractError(f"by: {shown(unknown[0])} is none of {', '.join(KEYS)}", field_name="by")
    only = {name: _number(name, words[name]) if name in _NUMBERS else words[name] for name in KEYS if words[name]}
    return Question(by, only, {**words, "by": ",".join(by)})


def _words(name: str, text: str) -> str:
    if not text.isprintable() or len(text) > 200:
        raise ContractError(
            f"{name}: {shown(text)} cannot be looked for; give its words as they stand", field_name=name
        )
    return text


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise ContractError(f"{name}: {shown(text)} is no number; give one such as 2016", field_name=name)
    return int(text)


def summary_of(question: Question) -> Summary:
    """Add up what was counted, in one question for the lines, one for all of them and two for their age."""
    tasks = _tasks_of(question)
    rows = list(_grouped(tasks, question.by)[: MOST + 1])
    return Summary(
        by=question.by,
        lines=tuple(_line(row, question.by) for row in rows[:MOST]),
        total=_sums(tasks.aggregate(**_amounts())),
        counted=tasks.aggregate(counted=Min("totals__counted"))["counted"],
        waiting=tasks.filter(uncounted()).count(),
        left_out=len(rows) > MOST,
    )


def _tasks_of(question: Question) -> QuerySet[Task]:
    tasks = Task.objects.exclude(state__in=values(_WITHOUT)).exclude(type=TaskType.USER_ANALYSIS).order_by()
    tasks = tasks.alias(**{f"by_{name}": meant for name, meant in _MEANT.items()})
    return tasks.filter(**{f"by_{name}" if name in _MEANT else name: word for name, word in question.only.items()})


def _amounts() -> dict[str, Any]:
    """Say how each sum is asked for."""
    counted = {each.name for each in fields(Sums)} - {"tasks", "active", "done"}
    over = values((TaskState.DONE, TaskState.ARCHIVE, TaskState.ARCHIVING, TaskState.ARCHIVED))
    return {
        "of_tasks": Count("pk"),
        "of_active": Count("pk", filter=Q(state__in=values(ACTIVE))),
        "of_done": Count("pk", filter=Q(state__in=over)),
        **{f"of_{name}": Sum(f"totals__{name}") for name in sorted(counted)},
    }


def _grouped(tasks: QuerySet[Any], by: Sequence[str]) -> QuerySet[Any, dict[str, Any]]:
    found: QuerySet[Any, dict[str, Any]] = (
        tasks.values(**{f"by_{name}": _MEANT.get(name, F(name)) for name in by})
        .annotate(**_amounts())
        .order_by(*(f"by_{name}" for name in by))
    )
    return found


def _line(row: Mapping[str, Any], by: Sequence[str]) -> Line:
    return Line(tuple(str(row[f"by_{name}"]) for name in by), _sums(row))


def _sums(row: Mapping[str, Any]) -> Sums:
    return Sums(**{each.name: int(row[f"of_{each.name}"] or 0) for each in fields(Sums)})


def as_csv(question: Question) -> Iterator[str]:
    """Give a table line by line: all of it, however long it is."""
    names = [each.name for each in fields(Sums)]
    yield ",".join([*question.by, *names]) + "\r\n"
    for row in _grouped(_tasks_of(question), question.by).iterator(MOST):
        line, text = _line(row, question.by), io.StringIO()
        cells = [*map(plain_cell, line.keys), *(getattr(line.sums, name) for name in names)]
        csv.writer(text, lineterminator="\r\n").writerow(cells)
        yield text.getvalue()
