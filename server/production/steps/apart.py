"""A task with which a step fails is set apart: that is told in its history, and all other tasks go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TypeVar

from django.db import transaction
from django.utils import timezone

from server.lib.parts import DATABASE
from server.production.models import Task, TaskEvent
from server.production.states import TaskType

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

#: The same incident of a task is written into its history once in so long.
AGAIN = timedelta(hours=1)


def by_itself(task: Task, service: str, do: Callable[[], Answer], otherwise: Answer) -> Answer:
    """Do a task's part of a step; where that fails answer ``otherwise``, and note the incident.

    Raises:
        OperationalError, InterfaceError: the database itself could not.
    """
    try:
        return do()
    except DATABASE:
        raise
    except Exception as why:  # noqa: BLE001 - whatever is wrong with one task says nothing of the others
        incident(task.pk, service, why)
        return otherwise


def sound(tasks: Iterable[Task], service: str) -> list[Task]:
    """Answer the tasks of which this version of the product knows the type; the others are set apart."""
    found = []
    for task in tasks:
        if task.type in TaskType.values:
            found.append(task)
        else:
            incident(task.pk, service, ValueError(f"{task.type!r} is no type of task that this version knows"))
    return found


@transaction.atomic
def incident(task: int, service: str, why: Exception) -> None:
    """Write into the log, and into a task's history, that a step has failed with it: people see both."""
    now = timezone.now()
    words = f"this step has failed with it, and leaves it out: {type(why).__name__}: {why}"[:500]
    said = TaskEvent.objects.filter(task=task, at__gte=now - AGAIN, at__lte=now, by=service, after="incident")
    if not said.filter(words=words).exists():
        log.error("task %s is left out of %s: %s", task, service, why, exc_info=why)
        TaskEvent.objects.create(task_id=task, before="", after="incident", by=service, words=words, at=now)
