"""Reading the history of tasks: the latest moves, and how they are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from server.production.models import Task, TaskEvent


def recent_events(task: Task | None = None, most: int = 20) -> list[TaskEvent]:
    """Answer the latest moves, newest first; of one task or of all."""
    events = TaskEvent.objects.select_related("task", "run", "chunk__run", "group__run").defer("task__filelist")
    # Of a task by its own index: by their numbers those of all younger tasks would be read first.
    return list((events.filter(task=task).order_by("-at", "-id") if task else events.order_by("-id"))[:most])


def event_json(event: TaskEvent) -> dict[str, Any]:
    return {
        "task": event.task.name,
        "what": what_moved(event),
        "before": event.before,
        "after": event.after,
        "job": event.job_id,
        "by": event.by,
        "words": event.words,
        "at": iso(event.at),
    }


def what_moved(event: TaskEvent) -> str:
    """Name what moved within its task; empty for the task itself."""
    if event.chunk:
        return f"run {event.chunk.run.number} chunk {event.chunk.number}"
    if event.run:
        return f"run {event.run.number} cross-check"
    if event.group:
        return f"run {event.group.run.number} {event.group.get_kind_display()} merge {event.group.number}"
    return ""


def iso(moment: datetime | None) -> str | None:
    """Write a moment as JSON has it."""
    return moment.isoformat() if moment else None
