"""What people do with tasks: define, move, start, pause, cancel. What services do is in ``steps``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from pilot.contract.codec import shown
from server.production import jobs, stopping
from server.production.columns import columns_of, definition_of
from server.production.defining import check_definition, no_task
from server.production.definition import BadDefinition
from server.production.door import move, move_all, note
from server.production.frames import NoStorage
from server.production.models import Chunk, MergeGroup, Task
from server.production.resend.carry_out import carry_out
from server.production.resend.plan import Plan, plan
from server.production.resend.undo import undo
from server.production.resend.wishes import BadWish, What, Wish, read_reason, read_wish
from server.production.states import (
    ACTIVE,
    BY_PEOPLE,
    ChunkState,
    GroupState,
    MergeKind,
    TaskState,
    TaskType,
    choices_of,
    values,
)
from server.production.steering_models import Resend
from server.production.steps.define import UNDEFINED, InputsGone, define_jobs
from server.services.wake import wake


class TaskRefused(ValueError):
    """A task cannot do what is asked; the message names it, says why, and what can be done."""


@transaction.atomic
def define_task(data: Mapping[str, Any], *, by: str, start: bool = False) -> Task:
    """Write a new task: as a draft, or with ``start`` led to ``send`` in the same transaction.

    Raises:
        BadDefinition: with one message per field that is wrong, lacks something or is in conflict with another task.
        TaskRefused: it cannot be started.
    """
    checked = check_definition(data)
    task = Task.objects.create(**columns_of(checked), owner=by[:250])
    note(task, "", TaskState.DRAFT.value, by=by, words="defined")
    if not start:
        return task
    _simply(TaskState.READY)(task, by, "")
    return start_task(task.name, by=by)


def task_of(name: str) -> Task:
    """Find a task by its name.

    Raises:
        TaskRefused: there is none; the nearest name is told.
    """
    task = Task.objects.filter(name=name).select_related("parent_task", "site").first()
    if task is None:
        raise TaskRefused(no_task(name))
    return task


def move_task(name: str, to: str, *, by: str, words: str = "") -> Task:
    """Do to a task what a production manager may: move it to the state ``to``, with everything that follows.

    Raises:
        TaskRefused: there is no such task, state or move, or it cannot be made now.
    """
    task = task_of(name)
    try:
        target = TaskState(to)
    except ValueError:
        raise TaskRefused(f"{shown(to)} is not a state; task {name!r} is {task.state}, {_ways(task)}") from None
    if task.state == target:
        return task
    if (task.state, target) not in BY_PEOPLE:
        raise TaskRefused(f"task {name!r} is {task.state} and cannot become {target.value}; {_ways(task)}")
    with transaction.atomic():
        _DEEDS[target](task, by, words)
    return task


def _ways(task: Task) -> str:
    ways = [state.value for state in choices_of(TaskState(task.state))]
    return f"it can become {' or '.join(ways)}" if ways else "nothing more can be done with it"


@transaction.atomic
def start_task(name: str, *, by: str, seen: str = "") -> Task:
    """Lead a task from where it stands to ``send``, through the states between; one that is on its way stays.

    Args:
        name: The task.
        by: Who asks.
        seen: ``updated`` of the task as somebody has looked at it; empty: whatever it is now.

    Raises:
        TaskRefused: it is paused or over, it cannot be defined like that any more, its parent has no chunks yet, or
            somebody else has changed it since.
    """
    # A draft that is being defined anew stays a draft: its state alone does not tell whether it is what was read.
    task = Task.objects.select_for_update().get(pk=task_of(name).pk)
    if seen and seen != task.updated.isoformat():
        raise TaskRefused(f"{name} was changed since you looked at it; look again")
    if task.state in values(ACTIVE):
        return task
    for before, target in ((TaskState.DRAFT, TaskState.READY), (TaskState.READY, TaskState.JOBS_READY)):
        if task.state == before:
            _DEEDS[target](task, by, "")
    if task.state != TaskState.JOBS_READY:
        raise TaskRefused(f"task {name!r} is {task.state} and cannot be started; {_ways(task)}")
    _simply(TaskState.SEND)(task, by, "")
    return task


def _simply(target: TaskState) -> Callable[[Task, str, str], None]:
    def do(task: Task, by: str, words: str) -> None:
        if not move(task, target, by=by, words=words):
            raise TaskRefused(f"task {task.name!r} was moved by somebody else; look at it again")

    return do


def _ready(task: Task, by: str, words: str) -> None:
    """Look at a draft once more: a queue may have gone since, or another task of the same files have come."""
    if task.type != TaskType.USER_ANALYSIS:
        try:
            check_definition(definition_of(task), besides=task)
        except BadDefinition as bad:
            raise TaskRefused(f"task {task.name!r} cannot be sent any more as it is: {bad}") from bad
    _simply(TaskState.READY)(task, by, words)


def _define(task: Task, by: str, words: str) -> None:
    try:
        defined = define_jobs(task, by=by)
    except (NoStorage, InputsGone) as why:
        raise TaskRefused(f"task {task.name!r}: {why}") from why
    if not defined:
        parent = task.parent_task
        if parent is not None and TaskState(parent.state) in UNDEFINED:
            raise TaskRefused(f"task {task.name!r} waits for its parent {parent.name!r}: start that one first")
        if parent is not None and parent.state == TaskState.CANCELLED:
            raise TaskRefused(f"task {task.name!r}: its parent {parent.name!r} is cancelled; cancel it, too")
        raise TaskRefused(f"task {task.name!r} was moved by somebody else; look at it again")


def _pause(task: Task, by: str, words: str) -> None:
    """Hold back what has not been sent; jobs that are running go on, and those of a production that are queued."""
    _simply(TaskState.PAUSED)(task, by, words)
    for state in (ChunkState.DEFINED, ChunkState.STAGING, ChunkState.STAGED):
        move_all(Chunk.objects.filter(task=task), state, ChunkState.PAUSED, by=by, words=words)
    if task.type == TaskType.USER_ANALYSIS:
        stopping.hold(task, by=by, words=words)


def _resume(task: Task, by: str, words: str) -> None:
    """Go on: by way of ``running`` when jobs were sent before, and staging looks at each chunk again."""
    _simply(TaskState.RUNNING)(task, by, words)
    move_all(Chunk.objects.filter(task=task), ChunkState.PAUSED, ChunkState.DEFINED, by=by, words=words)


def _cancel(task: Task, by: str, words: str) -> None:
    """End everything of a task that has not finished, its jobs in the task buffer too."""
    _simply(TaskState.CANCELLED)(task, by, words)
    if task.type == TaskType.USER_ANALYSIS:  # its owner may have added some
        jobs.kill(jobs.of_task(task.pk), by=by)
    stopping.cancel_all(task, by=by, words=words)


def _finish(task: Task, by: str, words: str) -> None:
    """Start nothing more; what runs still ends, and then the task is over."""
    _simply(TaskState.FINISHING)(task, by, words)
    Task.objects.filter(pk=task.pk).update(ends_early=True)
    stopping.start_nothing(task, by=by, words=words)


def _archive(task: Task, by: str, words: str) -> None:
    """Have the logs of a task packed, and brought to tape where it has one; nothing of it is made again then."""
    if task.type == TaskType.USER_ANALYSIS:
        raise TaskRefused(f"task {task.name!r} is a user's: what its jobs write, logs too, is the user's to keep")
    _simply(TaskState.ARCHIVE)(task, by, words)
    wake("production.pack_logs")


def _archive_as_it_is(task: Task, by: str, words: str) -> None:
    """Call a task archived though some of its logs cannot be packed: they stay where they are."""
    groups = MergeGroup.objects.filter(task=task, kind=MergeKind.LOGS)
    again = Q(state=GroupState.FAILED, due__isnull=False, attempts__lt=F("task__max_attempts"))
    going_on = groups.filter(Q(state__in=values((GroupState.READY, GroupState.SENT))) | again)
    if going_on.exists():
        raise TaskRefused(f"task {task.name!r}: its logs are being packed; wait until that has failed for good")
    if not words.strip():
        raise TaskRefused(f"task {task.name!r}: give a reason (why): it is kept in its history with your name")
    for state in (GroupState.FAILED, GroupState.MANUAL_CHECK):
        move_all(groups, state, GroupState.CANCELLED, by=by, words=words)
    _simply(TaskState.ARCHIVED)(task, by, words)
    Task.objects.filter(pk=task.pk).update(finished=timezone.now())


@transaction.atomic
def finish_task(name: str, *, by: str, soft: bool, words: str = "") -> Task:
    """Start nothing more of a task; unless it is done softly, end what runs, too.

    Raises:
        TaskRefused: there is no such task, or it is over.
    """
    task = move_task(name, TaskState.FINISHING.value, by=by, words=words)
    if not soft:
        stopping.end_all(task, by=by, words=words)
    return task


def _resend(what: What) -> Callable[[Task, str, str], None]:
    """Make what is in these states ready for new jobs with all their attempts, with a record that can be undone."""

    def do(task: Task, by: str, words: str) -> None:
        resend_task(task.name, Wish(what), by=by, why=words or "no reason was given")
        task.refresh_from_db()

    return do


def wish_of(said: Mapping[str, Any]) -> Wish:
    """Read what is to be made again.

    Raises:
        TaskRefused: that cannot be.
    """
    try:
        return read_wish(said)
    except BadWish as bad:
        raise TaskRefused(str(bad)) from bad


def preview_resend(name: str, wish: Wish) -> Plan:
    """Say exactly what a resend would make again, and what refuses it; nothing is changed.

    Raises:
        TaskRefused: there is no such task, run or chunk.
    """
    try:
        return plan(task_of(name), wish)
    except BadWish as bad:
        raise TaskRefused(str(bad)) from bad


def resend_task(name: str, wish: Wish, *, by: str, why: str, seen: str = "") -> Resend:
    """Make a part of a task again, with everything downstream of it, in one transaction; answer the record.

    ``seen`` is what the preview of it said, so that nothing else is made again than what somebody has looked at.

    Raises:
        TaskRefused: there is no such task, no reason, or it cannot be; nothing was done.
    """
    try:
        return carry_out(task_of(name), wish, by=by, why=read_reason(why), seen=seen)
    except BadWish as bad:
        raise TaskRefused(str(bad)) from bad


def undo_resend(number: int, *, by: str, why: str = "") -> Resend:
    """Put back what a resend has changed, while nothing new has run.

    Raises:
        TaskRefused: it cannot be; nothing was done.
    """
    try:
        return undo(number, by=by, why=why.strip())
    except BadWish as bad:
        raise TaskRefused(str(bad)) from bad


#: What is done when a person moves a task to a state.
_DEEDS: dict[TaskState, Callable[[Task, str, str], None]] = {
    TaskState.DRAFT: _simply(TaskState.DRAFT),
    TaskState.READY: _ready,
    TaskState.JOBS_READY: _define,
    TaskState.SEND: _simply(TaskState.SEND),
    TaskState.PAUSED: _pause,
    TaskState.RUNNING: _resume,
    TaskState.RESEND_FAILED: _resend(What.FAILED),
    TaskState.RESEND_STAGING: _resend(What.STAGING),
    TaskState.RESEND_MANUAL_CHECK: _resend(What.MANUAL_CHECK),
    TaskState.FINISHING: _finish,
    TaskState.CANCELLED: _cancel,
    TaskState.ARCHIVE: _archive,
    TaskState.ARCHIVED: _archive_as_it_is,
}
