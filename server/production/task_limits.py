"""What limits a task, value by value, with where each comes from: default, settings, type, site, or the task itself."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from server.production.limits import Limits
from server.production.models import Task
from server.production.reference.kinds import priority_limit
from server.production.reference.known import Known, read_known
from server.production.states import TaskType

#: How the names of limits begin that only users' tasks have, and those that they have not: they merge nothing.
_USERS = ("user_task_",)
_PRODUCTIONS = ("merge_", "merging_", "histogram_", "dump_", "chunks_", "archive_", "prestage_", "staged_")
#: What is a field of each task, filled in when it is defined.
CARRIED = ("processing_priority", "filtering_priority", "merging_priority", "max_attempts")
#: Of these a task has the one of its chain.
_PRIORITIES = ("processing_priority", "filtering_priority")


@dataclass(frozen=True)
class TaskLimit:
    """One value; ``origin``: ``default``, ``settings``, ``type …``, ``site …`` or ``task``, the most specific one."""

    name: str
    value: int
    origin: str

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "from": self.origin}


def limits_for(task: Task, known: Known | None = None) -> Limits:
    """Answer the limits that hold for a task.

    Args:
        task: The task.
        known: What is known of sites and types. Whoever asks for many tasks reads it once, by `read_known`.
    """
    return (known or read_known()).limits_for(task)


def limits_of(task: Task, known: Known | None = None) -> list[TaskLimit]:
    """Answer every limit that holds for a task, in the order of `Limits`.

    Raises:
        ImproperlyConfigured: the settings name a limit that is unknown, or a value that none can have.
    """
    known = known or read_known()
    settled, usual = known.settled_for(task), known.usual_for(task)

    def origin(name: str) -> str:
        # A task carries priorities and attempts itself, though it may only have got the usual ones.
        is_usual = name in CARRIED and getattr(settled.limits, name) == getattr(usual.limits, name)
        return (usual if is_usual else settled).origin(name)

    return [
        TaskLimit(name, getattr(settled.limits, name), origin(name))
        for name in (field.name for field in fields(Limits))
        if _concerns(name, task)
    ]


def _concerns(name: str, task: Task) -> bool:
    if name in _PRIORITIES:
        return name == priority_limit(task.type)
    return not name.startswith(_PRODUCTIONS if task.type == TaskType.USER_ANALYSIS else _USERS)
