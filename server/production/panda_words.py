"""The states of tasks in the words of PanDA's, for clients that know no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from server.production.models import Chunk, Task, UserTask
from server.production.queries import task_json
from server.production.states import ChunkState, TaskState

T = TaskState

_WORDS: Mapping[TaskState, str] = {
    T.DRAFT: "registered",
    T.READY: "defined",
    T.JOBS_READY: "ready",
    T.SEND: "ready",
    T.RESEND_FAILED: "toretry",
    T.RESEND_STAGING: "toretry",
    T.RESEND_MANUAL_CHECK: "toretry",
    T.RUNNING: "running",
    T.PAUSED: "paused",
    T.FINISHING: "finishing",
    T.CANCELLED: "aborted",
    T.FINISHED: "finished",
    T.DONE: "done",
    T.ARCHIVE: "done",
    T.ARCHIVING: "done",
    T.ARCHIVED: "done",
}


def status_of(task: Task) -> str:
    """Say where a task stands; one that has ended without a single good job has failed."""
    state = TaskState(task.state)
    if state is T.FINISHED and not Chunk.objects.filter(task=task, state=ChunkState.FINISHED).exists():
        return "failed"
    return _WORDS[state]


def details_of(task: Task, *, parameters: bool) -> dict[str, Any]:
    """Answer everything about a task, with PanDA's names for what has one; ``state`` is our own word."""
    found = {
        **task_json(task),
        **{"jediTaskID": task.pk, "taskName": task.name, "userName": task.owner, "taskType": task.type},
        **{"status": status_of(task), "state": task.state, "site": task.queue, "currentPriority": task.priority},
    }
    if parameters:
        submitted = UserTask.objects.filter(pk=task.pk).first()
        found["taskParameters"] = orjson.loads(submitted.parameters) if submitted else None
    return found
