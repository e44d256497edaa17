"""A task is steered on its way: priorities, attempts, queue and its own limits change, with a line of who and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from server.production import jobs
from server.production.defining import slip_of_queue
from server.production.definition import BadDefinition, read_value
from server.production.door import move, note
from server.production.logic import TaskRefused, task_of
from server.production.models import Chunk, Task
from server.production.resend.wishes import BadWish, read_reason
from server.production.states import ChunkState, TaskState, TaskType

#: What can be changed of a task that is on its way.
CHANGEABLE = ("priority", "merging_priority", "max_attempts", "queue", "limits")

#: In these nothing more is sent: a job that was taken back for its new priority would be sent by nobody.
_OVER = (
    *(TaskState.FINISHING, TaskState.CANCELLED, TaskState.DONE),
    *(TaskState.ARCHIVE, TaskState.ARCHIVING, TaskState.ARCHIVED),
)


@transaction.atomic
def change_task(name: str, said: Mapping[str, Any], *, by: str, why: str) -> Task:
    """Change a task that is not over; jobs that no pilot has are taken back, and sent as the task is now.

    Args:
        name: The task.
        said: New values, by the names of `CHANGEABLE`.
        by: Who asks.
        why: The reason, for the task's history.

    Raises:
        TaskRefused: there is no such task, it is over, no reason is given, or nothing would change.
        BadDefinition: a value cannot be, by its field.
    """
    try:
        reason = read_reason(why)
    except BadWish as bad:
        raise TaskRefused(str(bad)) from bad
    task = Task.objects.select_for_update().get(pk=task_of(name).pk)
    if TaskState(task.state) in _OVER:
        raise TaskRefused(f"task {name!r} is {TaskState(task.state).label}; it cannot be changed any more")
    changes = {field: value for field, value in _read(said).items() if value != getattr(task, field)}
    if not changes:
        raise TaskRefused(f"task {name!r} has these values already, or none was given; give {', '.join(CHANGEABLE)}")
    told = ", ".join(f"{field} {_shown(getattr(task, field))} -> {_shown(value)}" for field, value in changes.items())
    Task.objects.filter(pk=task.pk).update(**changes)
    task.refresh_from_db()
    note(task, task.state, task.state, by=by, words=f"{told}: {reason}"[:500])
    if {"priority", "queue"} & set(changes) and task.type != TaskType.USER_ANALYSIS:
        _send_anew(task, by=by, words=told)
    return task


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in value.items()) or "none"
    return "any" if value == "" else value


def _read(said: Mapping[str, Any]) -> dict[str, Any]:
    slips, values = {}, {}
    for field, value in said.items():
        if field not in CHANGEABLE:
            slips[field] = f"cannot be changed any more; what can be is {', '.join(CHANGEABLE)}"
            continue
        try:
            values[field] = read_value(field, value)
        except ValueError as wrong:
            slips[field] = str(wrong)
    if "queue" in values and (slip := slip_of_queue(values["queue"])):
        slips["queue"] = slip
    if slips:
        raise BadDefinition(slips)
    return values


def _send_anew(task: Task, *, by: str, words: str) -> None:
    """Take the jobs of chunks out of the queue that no pilot has; they are submitted again, and no attempt is lost."""
    sent = list(Chunk.objects.filter(task=task, state=ChunkState.SENT, job_id__isnull=False))
    gone = jobs.withdraw([chunk.job_id for chunk in sent if chunk.job_id is not None], by=by)
    for chunk in sent:
        if chunk.job_id in gone:
            fewer = max(0, chunk.attempts - 1)
            move(chunk, ChunkState.STAGED, by=by, words=f"sent anew: {words}", job_id=None, attempts=fewer)
