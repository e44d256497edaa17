"""A draft is corrected: the task stays a draft, and its history tells what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from server.production.columns import columns_of, definition_of
from server.production.defining import check_definition
from server.production.door import note
from server.production.logic import TaskRefused, task_of
from server.production.models import Task
from server.production.states import TaskState

#: Of these a task's history tells only that they were changed.
_LONG = ("runs", "files", "comment")


class ChangedMeanwhile(TaskRefused):
    """Somebody else has written a draft since somebody began to change it; ``seen`` is the version that is there."""

    def __init__(self, words: str, seen: str) -> None:
        super().__init__(words)
        self.seen = seen


@transaction.atomic
def redefine_task(name: str, data: Mapping[str, Any], *, by: str, seen: str = "") -> Task:
    """Write a whole definition over that of a draft, which may get another name by it.

    Args:
        name: The draft.
        data: The definition.
        by: Who asks.
        seen: ``version_of`` the draft as it was when somebody began to change it; empty: whatever it is now.

    Raises:
        TaskRefused: there is no such task, or it is no draft.
        ChangedMeanwhile: somebody else has changed it since; the words say what is different now.
        BadDefinition: with one message per field that is wrong; nothing was changed.
    """
    key = task_of(name).pk
    task = Task.objects.select_for_update().get(pk=key)
    if task.state != TaskState.DRAFT:
        words = "only a draft can be defined anew; see 'compass task change' for what can be changed on the way"
        raise TaskRefused(f"task {name!r} is {task.state}: {words}")
    if seen and seen != version_of(task):
        there = definition_of(task)
        # A form has texts where a definition has numbers.
        told = [
            _told(field, data, there) for field in sorted(there.keys() & data.keys()) if _differ(data, there, field)
        ]
        words = ", ".join(one for one in told if one) or "nothing that you write is different"
        raise ChangedMeanwhile(
            f"draft {name!r} was changed by somebody else at {version_of(task)}; from yours to theirs: {words}",
            version_of(task),
        )
    before = definition_of(task)
    for column, value in columns_of(check_definition(data, besides=task)).items():
        setattr(task, column, value)
    task.save()
    after = definition_of(task)
    told = [_told(field, before, after) for field in sorted(before.keys() | after.keys())]
    words = ", ".join(one for one in told if one) or "the same as before"
    note(task, TaskState.DRAFT.value, TaskState.DRAFT.value, by=by, words=f"defined anew: {words}")
    return task


def _differ(mine: Mapping[str, Any], theirs: Mapping[str, Any], field: str) -> bool:
    return str(mine[field]).split() != str(theirs[field]).split()


def version_of(task: Task) -> str:
    """Answer when a task was last written, to the microsecond: what it was is not changed behind anybody's back."""
    return task.updated.isoformat()


def _told(field: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    old, new = before.get(field, "nothing"), after.get(field, "nothing")
    if old == new:
        return ""
    return f"{field} changed" if field in _LONG else f"{field} {old} -> {new}"
