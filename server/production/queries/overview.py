"""Reading the productions as a whole: what moved in the last hour and day, and what is stuck, by cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q

from server.production.models import Task
from server.production.queries.task_list import CAUSES, TASK_SHOWS, moves_since, why_stuck
from server.production.states import TaskState, values

#: Tasks that are looked at: those that are open, and those that moved in the last day, the latest first.
MOST = 200
#: Tasks that are told to have moved.
MOVED = 20


@dataclass(frozen=True)
class MovedTask:
    """A task and its moves of the last hour and day, counted by what they led to."""

    task: Task
    hour: Mapping[str, int]
    day: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return {"task": self.task.name, "status": self.task.state, "hour": dict(self.hour), "day": dict(self.day)}


@dataclass(frozen=True)
class StuckCause:
    """Tasks that are stuck for one cause, each with the words."""

    cause: str
    tasks: list[tuple[Task, str]]

    @property
    def label(self) -> str:
        return CAUSES[self.cause]

    def as_json(self) -> dict[str, Any]:
        tasks = [{"task": task.name, "words": words} for task, words in self.tasks]
        return {"cause": self.cause, "label": self.label, "tasks": tasks}


@dataclass(frozen=True)
class Productions:
    """All that is known at a glance; ``states`` counts tasks by their state, of those that are open or new."""

    states: Mapping[str, int]
    hour: Mapping[str, int]
    day: Mapping[str, int]
    moved: list[MovedTask]
    stuck: list[StuckCause]
    #: Whether there are open tasks that were not looked at, because they are so many.
    more: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            **{"states": dict(self.states), "hour": dict(self.hour), "day": dict(self.day)},
            "moved": [one.as_json() for one in self.moved],
            "stuck": [one.as_json() for one in self.stuck],
            "more": self.more,
        }


def productions(now: datetime) -> Productions:
    """Look at all productions: a fixed number of queries over those that are open or moved lately."""
    wanted = Q(state__in=values(TASK_SHOWS["open"])) | Q(updated__gte=now - timedelta(days=1))
    # The lists of runs and files have megabytes, and nobody shows them here.
    rows = Task.objects.filter(wanted).select_related("site").defer("filelist")
    tasks = list(rows.order_by("-updated", "-id")[: MOST + 1])
    more, tasks = len(tasks) > MOST, tasks[:MOST]
    keys = tuple(task.pk for task in tasks)
    hour, day = (moves_since(keys, now - length) for length in (timedelta(hours=1), timedelta(days=1)))
    moved = [MovedTask(task, hour.get(task.pk, {}), day[task.pk]) for task in tasks if task.pk in day]
    moved.sort(key=lambda one: (-sum(one.hour.values()), -sum(one.day.values())))
    said = why_stuck(tasks, now)
    stuck = [
        StuckCause(cause, [(task, words) for task in tasks for one, words in said.get(task.pk, ()) if one == cause])
        for cause in CAUSES
    ]
    counts = dict(Task.objects.order_by().values_list("state").annotate(count=Count("pk")))
    states = {state.value: counts[state.value] for state in TaskState if state.value in counts}
    return Productions(states, _sum(hour), _sum(day), moved[:MOVED], [one for one in stuck if one.tasks], more)


def _sum(moves: Mapping[int, Mapping[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in moves.values():
        found.update(one)
    return dict(found)
