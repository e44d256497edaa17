"""What was sent again, to be looked at."""

from __future__ import annotations

from typing import Any

from server.production.models import Task
from server.production.steering_models import Resend


def resends_of(task: Task, most: int = 50) -> list[Resend]:
    """Answer the latest resends of a task, newest first."""
    return list(Resend.objects.filter(task=task).select_related("task").order_by("-id")[:most])


def resend_json(one: Resend) -> dict[str, Any]:
    return {
        "resend": one.pk,
        "task": one.task.name,
        "wish": one.wish,
        "words": one.words,
        "by": one.by,
        "why": one.why,
        "at": one.at.isoformat(),
        "counts": one.counts,
        "undone_by": one.undone_by,
        "undone_at": one.undone_at.isoformat() if one.undone_at else None,
        "undone_why": one.undone_why,
    }
