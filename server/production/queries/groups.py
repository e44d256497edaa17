"""Reading a task's merge groups: which there are by kind, state and run, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from server.production.models import MergeGroup, Task
from server.production.queries.evidence import MADE
from server.production.states import GroupState, MergeKind

#: Groups on one page.
PAGE = 100
#: What one can be asked for by.
GROUP_KINDS, GROUP_STATES = tuple(MergeKind.values), tuple(GroupState.values)


@dataclass(frozen=True)
class GroupLine:
    """A merge group with the number of its files."""

    group: MergeGroup
    inputs: int

    @property
    def differs(self) -> bool:
        """Say whether it has not as many events as were expected in it, as far as these are counted."""
        group = self.group
        known = None not in (group.events_expected, group.events_found)
        return group.state in MADE and known and group.events_expected != group.events_found

    def as_json(self) -> dict[str, Any]:
        group = self.group
        return {
            **{"id": group.pk, "run": group.run.number, "kind": group.kind, "merge": group.number},
            **{"state": group.state, "job": group.job_id, "attempts": group.attempts, "inputs": self.inputs},
            "events": {"expected": group.events_expected, "found": group.events_found},
            **{"size_expected": group.size_expected, "size": group.size, "words": group.words},
        }


@dataclass(frozen=True)
class GroupPage:
    """One page of merge groups; ``counts`` tells all of the task by (kind, state)."""

    lines: list[GroupLine]
    counts: Mapping[tuple[str, str], int]
    number: int
    pages: int

    @property
    def table(self) -> list[tuple[str, str, list[tuple[str, int]]]]:
        """Answer each kind that there is with its number of groups in each state."""
        kinds = dict.fromkeys(kind for kind in MergeKind if any(kind.value == one for one, _ in self.counts))
        return [
            (
                kind.value,
                kind.label,
                [(state.value, self.counts.get((kind.value, state.value), 0)) for state in GroupState],
            )
            for kind in kinds
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "groups": [line.as_json() for line in self.lines],
            "counts": {kind: {state: n for state, n in states if n} for kind, _, states in self.table},
            **{"page": self.number, "pages": self.pages},
        }


def group_page(
    task: Task, *, kind: str = "", state: str = "", run: int | None = None, number: int = 1, most: int = PAGE
) -> GroupPage:
    """Answer a page of a task's merge groups by run and number; four queries."""
    rows = MergeGroup.objects.filter(task=task)
    counted = rows.order_by().values_list("kind", "state").annotate(count=Count("pk"))
    counts = {(one, how): count for one, how, count in counted}
    wanted = {"kind": kind or None, "state": state or None, "run__number": run}
    chosen = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
    pages = max(1, -(-chosen.count() // most))
    number = max(1, min(number, pages))
    shown = list(
        chosen.select_related("run").order_by("run__number", "kind", "number")[(number - 1) * most : number * most]
    )
    keys = [group.pk for group in shown]
    files = dict(MergeGroup.objects.filter(pk__in=keys).order_by().values_list("pk").annotate(Count("inputs")))
    return GroupPage([GroupLine(group, files.get(group.pk, 0)) for group in shown], counts, number, pages)
