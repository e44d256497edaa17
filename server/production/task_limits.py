"""What limits a task, value by value, with where each comes from: the product's default, the settings, or the task."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from django.conf import settings

from server.production.limits import Limits, limits
from server.production.models import Task
from server.production.states import TaskType

#: How the names of limits begin that only users' tasks have, and those that they have not: they merge nothing.
_USERS = ("user_task_",)
_PRODUCTIONS = ("merge_", "merging_", "histogram_", "dump_", "chunks_")
#: Of these a task has the one of its type.
_PRIORITIES = ("processing_priority", "filtering_priority")


@dataclass(frozen=True)
class TaskLimit:
    """One value; ``origin`` is ``default``, ``settings`` or ``task``, of which the most specific one wins."""

    name: str
    value: int
    origin: str

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "from": self.origin}


def limits_of(task: Task) -> list[TaskLimit]:
    """Answer every limit that holds for a task, in the order of `Limits`.

    Raises:
        ImproperlyConfigured: the settings name a limit that is unknown, or a value that none can have.
    """
    common, own = asdict(limits()), _own(task)
    return [
        TaskLimit(name, own.get(name, common[name]), _origin(name, own))
        for name in (field.name for field in fields(Limits))
        if _concerns(name, task)
    ]


def _own(task: Task) -> dict[str, int]:
    """Answer what a task carries itself, from its definition or from a change on its way."""
    return {
        _priority_of(task): task.priority,
        "merging_priority": task.merging_priority,
        "max_attempts": task.max_attempts,
    }


def _origin(name: str, own: dict[str, int]) -> str:
    if name in own:
        return "task"
    return "settings" if name in getattr(settings, "PRODUCTION", {}) else "default"


def _concerns(name: str, task: Task) -> bool:
    if name in _PRIORITIES:
        return name == _priority_of(task)
    return not name.startswith(_PRODUCTIONS if _is_users(task) else _USERS)


def _priority_of(task: Task) -> str:
    return _PRIORITIES[task.type == TaskType.DDD_FILTERING]


def _is_users(task: Task) -> bool:
    return task.type == TaskType.USER_ANALYSIS
