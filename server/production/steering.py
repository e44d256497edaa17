"""A task is steered on its way: priorities, attempts, queue and its own limits change, with a line of who and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from server.production import jobs
from server.production.archive.door import move_files
from server.production.defining import slip_of_queue, slip_of_storage
from server.production.definition import NO_TAPE, BadDefinition, read_value
from server.production.door import move, note
from server.production.frames import tape_of
from server.production.logic import TaskRefused, task_of
from server.production.models import Chunk, Output, Task
from server.production.reference.choosing import of_site, site_named
from server.production.reference.known import read_known
from server.production.resend.wishes import BadWish, read_reason
from server.production.states import NOT_CHANGED, ChunkState, TapeState, TaskState, TaskType
from server.production.stopping import held

#: What can be changed of a task that is on its way.
CHANGEABLE = ("priority", "merging_priority", "max_attempts", "queue", "site", "tape", "limits")

#: What another site brings with it for what was not sent yet. Raw files stay where they are.
_WITH_SITE = ("queue", "merging_queue", "home")


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
    if TaskState(task.state) in NOT_CHANGED:
        raise TaskRefused(f"task {name!r} is {TaskState(task.state).label}; it cannot be changed any more")
    changes = {field: value for field, value in _read(said, task).items() if value != getattr(task, field)}
    if not changes:
        raise TaskRefused(f"task {name!r} has these values already, or none was given; give {', '.join(CHANGEABLE)}")
    former = tape_of(task)
    told = ", ".join(f"{field} {_shown(getattr(task, field))} -> {_shown(value)}" for field, value in changes.items())
    Task.objects.filter(pk=task.pk).update(**changes)
    task.refresh_from_db()
    note(task, task.state, task.state, by=by, words=f"{told}: {reason}"[:500])
    if tape_of(task) != former:
        _to_another_tape(task, by=by, words=told)
    if {"priority", "queue", "home"} & set(changes) and task.type != TaskType.USER_ANALYSIS:
        _send_anew(task, by=by, words=told)
    return task


def _shown(value: Any) -> Any:
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in value.items()) or "none"
    return "any" if value == "" else value


def _read(said: Mapping[str, Any], task: Task) -> dict[str, Any]:
    slips, values = dict[str, str](), dict[str, Any]()
    for field, value in said.items():
        if field not in CHANGEABLE:
            slips[field] = f"cannot be changed any more; what can be is {', '.join(CHANGEABLE)}"
            continue
        try:
            values[field] = read_value(field, value)
        except ValueError as wrong:
            slips[field] = str(wrong)
    if "site" in values:
        values, slips["site"] = _with_site(values, task)
        slips = {field: slip for field, slip in slips.items() if slip}
    if values.get("tape") not in (None, "", NO_TAPE) and (slip := slip_of_storage(values["tape"], tape=True)):
        slips["tape"] = slip
    if "queue" in values and (slip := slip_of_queue(values["queue"])):
        slips["queue"] = slip
    if slips:
        raise BadDefinition(slips)
    return values


def _with_site(values: Mapping[str, Any], task: Task) -> tuple[dict[str, Any], str]:
    """Add what a site fills in of a task that is on its way, but for what is given beside it; or say why it cannot."""
    known = read_known()
    site, slip = site_named(values["site"], known.sites.values())
    if site is None:
        return {field: value for field, value in values.items() if field != "site"}, slip
    brought = of_site(site, known.kind_of(task))
    return {**{field: brought[field] for field in _WITH_SITE if field in brought}, **values, "site": site}, ""


def _to_another_tape(task: Task, *, by: str, words: str) -> None:
    """Let what waits to be asked for on tape be asked for there as often as at first, or by nobody."""
    waiting = Output.objects.filter(task=task, tape=TapeState.READY)
    if tape_of(task):
        waiting.update(tape_attempts=0, tape_words="")
    else:
        move_files(list(waiting), TapeState.NONE, by=by, words=words, tape_attempts=0)


def _send_anew(task: Task, *, by: str, words: str) -> None:
    """Take the jobs of chunks out of the queue that no pilot has; they are submitted again, and no attempt is lost."""
    sent = held(Chunk.objects.filter(task=task, state=ChunkState.SENT, job_id__isnull=False))
    gone = jobs.withdraw([chunk.job_id for chunk in sent if chunk.job_id is not None], by=by)
    for chunk in sent:
        if chunk.job_id in gone:
            fewer = max(0, chunk.attempts - 1)
            move(chunk, ChunkState.STAGED, by=by, words=f"sent anew: {words}", job_id=None, attempts=fewer)
