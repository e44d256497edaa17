"""What people may be told of tasks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from server.notify.registry import Notice, event
from server.production.models import Task
from server.production.queries import TASK_SHOWS
from server.production.queries.task_list import CAUSES, why_stuck
from server.production.states import TaskState

#: Causes that do not go away by themselves.
FOR_PERSONS = ("look", "check", "failed")
ENDS = (TaskState.DONE, TaskState.FINISHED, TaskState.CANCELLED, TaskState.ARCHIVED)


@event("task.done")
def task_done(since: datetime, now: datetime) -> Iterator[Notice]:
    """A task is done, finished in part, cancelled or archived."""
    ended = Task.objects.filter(finished__gte=since, state__in=[state.value for state in ENDS])
    for task in ended.order_by("finished")[:500]:
        if task.finished is None:
            continue
        key = f"{task.pk}:{task.state}:{task.finished:%Y-%m-%dT%H:%M:%S}"
        words = f"{task.get_type_display()} of {task.owner}, at {task.queue}."
        yield Notice(key, f"Task {task.name}: {task.get_state_display()}", words, task.finished, *_where(task))


@event("task.stuck")
def task_stuck(since: datetime, now: datetime) -> Iterator[Notice]:
    """A task does not go on before a person looks at it; again each day while it is so."""
    tasks = list(Task.objects.filter(state__in=[state.value for state in TASK_SHOWS["open"]]))
    said = why_stuck(tasks, now)
    for task in tasks:
        for cause in FOR_PERSONS:
            words = "; ".join(text for found, text in said.get(task.pk, ()) if found == cause)
            if words:
                subject = f"Task {task.name}: {CAUSES[cause]}"
                yield Notice(f"{task.pk}:{cause}:{now:%Y-%m-%d}", subject, words, now, *_where(task))


def _where(task: Task) -> tuple[dict[str, str], str]:
    return {"owner": task.owner, "queue": task.queue}, f"/tasks/{task.name}"
