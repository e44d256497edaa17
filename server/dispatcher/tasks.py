"""What PanDA's clients ask of tasks in ``/api/v1/task``, as far as a production task of ours is one.

A task is known by its number, which its jobs have as ``jediTaskID``; its states are COMPASS's own words.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from pilot.contract.codec import INTEGER, JSON_TEXT, TRUTH, ContractError
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import READERS
from server.dispatcher.v1 import GET, NothingToGive, Said, method
from server.lib.arguments import Argument
from server.production import logic
from server.production import queries as production
from server.production.models import Task
from server.production.states import TaskState
from server.taskbuffer import queries as taskbuffer

_TASK = Argument("task_id", INTEGER, "Number of the task.")


def _passed_over(name: str) -> Argument:
    return Argument(name, TRUTH, "Steers what only PanDA has; passed over.", None)


def _task(number: int) -> Task:
    found = production.find_task_by_number(number)
    if found is None:
        raise NothingToGive(f"task_id: {number} is not known here; a task's jobs have its number as jediTaskID")
    return found


def _move(number: int, to: TaskState, identity: Identity) -> Said:
    task = _task(number)
    try:
        moved = logic.move_task(task.name, to.value, by=identity.name)
    except logic.TaskRefused as refused:
        raise NothingToGive(str(refused)) from refused
    return Said(f"task {task.name} is {moved.state}")


@method(*READERS, takes=(_TASK,), verbs=(GET,))
def get_status(request: HttpRequest, identity: Identity, task_id: int) -> Any:
    """Answer the state of a production task."""
    return _task(task_id).state


_PARTS = (_passed_over("include_parameters"), _passed_over("include_status"))


@method(*READERS, takes=(_TASK, *_PARTS), verbs=(GET,))
def get_details(request: HttpRequest, identity: Identity, task_id: int, **said: Any) -> Any:
    """Answer everything about a production task: progress, run by run, cross-checks, outputs."""
    return production.task_json(_task(task_id))


@method(*READERS, takes=(_TASK,), verbs=(GET,))
def get_job_ids(request: HttpRequest, identity: Identity, task_id: int) -> Any:
    """Answer the numbers of all jobs of a task, also of those in the archive."""
    return taskbuffer.jobs_of_task(task_id)


@method(Role.PRODUCTION, takes=(_TASK, _passed_over("broadcast")))
def kill(request: HttpRequest, identity: Identity, task_id: int, broadcast: bool | None) -> Any:
    """Cancel a production task, and end its jobs."""
    return _move(task_id, TaskState.CANCELLED, identity)


@method(Role.PRODUCTION, takes=(_TASK,))
def pause(request: HttpRequest, identity: Identity, task_id: int) -> Any:
    """Hold back what of a production task has not been sent."""
    return _move(task_id, TaskState.PAUSED, identity)


@method(Role.PRODUCTION, takes=(_TASK,))
def resume(request: HttpRequest, identity: Identity, task_id: int) -> Any:
    """Go on with a production task that was paused."""
    return _move(task_id, TaskState.RUNNING, identity)


_NEW = Argument("new_parameters", JSON_TEXT, "There are none here: a task stays as it was defined.", None)
_WAYS = ("no_child_retry", "discard_events", "disable_staging_mode", "keep_gshare_priority", "ignore_hard_exhausted")


@method(Role.PRODUCTION, takes=(_TASK, _NEW, *map(_passed_over, _WAYS)))
def retry(request: HttpRequest, identity: Identity, task_id: int, new_parameters: str | None, **said: Any) -> Any:
    """Send what of a production task has failed once more, in new jobs with all their attempts."""
    if new_parameters and new_parameters != "{}":
        text = "new_parameters: a task stays as it was defined here; define another one"
        raise ContractError(text, field_name="new_parameters")
    return _move(task_id, TaskState.RESEND_FAILED, identity)
