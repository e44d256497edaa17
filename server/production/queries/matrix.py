"""Reading a task run by run: the run × step matrix, what of it is shown, and what is wrong with a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.production.models import Chunk, CrossCheck, MergeGroup, Run, Task
from server.production.queries.events import iso
from server.production.queries.progress import BAD, Progress, count_runs

#: What may be shown of a matrix; a run counts in one of those in the middle.
SHOWS = ("all", "stuck", "running", "waiting", "done")
#: In which order.
SORTS = ("worst", "number")
#: Runs on one page.
PAGE = 50
#: Words on what is wrong with one run.
WORDS = 5


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


@dataclass(frozen=True)
class Matrix:
    """One page of a task's matrix; ``counts`` is how many runs there are of each kind that may be shown."""

    lines: list[RunLine]
    counts: Mapping[str, int]
    show: str
    sort: str
    number: int
    pages: int

    def as_json(self) -> dict[str, Any]:
        return {
            "runs": [line.as_json() for line in self.lines],
            "counts": dict(self.counts),
            **{"show": self.show, "sort": self.sort, "page": self.number, "pages": self.pages},
        }


def check_json(check: CrossCheck) -> dict[str, Any]:
    return {
        "run": check.run.number,
        "kind": check.kind,
        "verdict": check.verdict,
        "expected": check.expected,
        "found": check.found,
        "words": check.words,
        "at": iso(check.at),
    }


def run_lines(task: Task, most: int = 500) -> list[RunLine]:
    """Answer the first runs of a task by number, each with its cells."""
    runs = list(Run.objects.filter(task=task).order_by("number")[:most])
    return _lines(task, runs, count_runs(task, None if len(runs) == most else [run.pk for run in runs]))


def matrix_of(task: Task, *, show: str = "all", sort: str = "worst", number: int = 1, most: int = PAGE) -> Matrix:
    """Answer a page of the run × step matrix, those first that need a person; a fixed number of queries."""
    cells = count_runs(task)
    kinds = {key: kind_of(steps) for key, steps in cells.items()}
    counts = {"all": len(kinds), **dict.fromkeys(SHOWS[1:], 0), **Counter(kinds.values())}
    chosen = [key for key, kind in kinds.items() if show in ("all", kind)]
    if sort == "worst":
        # Runs come by their number; what is as bad as another stays in that order.
        chosen.sort(key=lambda key: (SHOWS.index(kinds[key]), -sum(step.bad for step in cells[key])))
    pages = max(1, -(-len(chosen) // most))
    number = min(number, pages)
    keys = chosen[(number - 1) * most : number * most]
    runs = Run.objects.in_bulk(keys)
    return Matrix(_lines(task, [runs[key] for key in keys], cells), counts, show, sort, number, pages)


def kind_of(cells: Sequence[Progress]) -> str:
    """Say how a run stands as a whole, in one of the middle words of `SHOWS`."""
    states = {cell.state for cell in cells}
    if "bad" in states:
        return "stuck"
    if states == {"done"}:
        return "done"
    return "waiting" if states == {"waiting"} else "running"


def _lines(task: Task, runs: Sequence[Run], cells: Mapping[int, list[Progress]]) -> list[RunLine]:
    keys = [run.pk for run in runs]
    checks: dict[int, list[CrossCheck]] = {}
    for check in CrossCheck.objects.filter(run__in=keys).select_related("run").order_by("kind"):
        checks.setdefault(check.run_id, []).append(check)
    words = _troubles(task, keys)
    return [RunLine(run.number, cells[run.pk], checks.get(run.pk, []), words.get(run.pk, [])) for run in runs]


def _troubles(task: Task, runs: Collection[int]) -> dict[int, list[str]]:
    """Answer the first words about what failed or waits for a person, by run."""
    found: dict[int, list[str]] = {}
    most = WORDS * max(len(runs), 40)
    for chunk in Chunk.objects.filter(task=task, state__in=BAD, run__in=runs).order_by("run", "number")[:most]:
        found.setdefault(chunk.run_id, []).append(f"chunk {chunk.number}: {chunk.get_state_display()}: {chunk.words}")
    for group in MergeGroup.objects.filter(task=task, state__in=BAD, run__in=runs).order_by("number")[:most]:
        found.setdefault(group.run_id, []).append(
            f"{group.get_kind_display()} merge {group.number}: {group.get_state_display()}: {group.words}"
        )
    return found
