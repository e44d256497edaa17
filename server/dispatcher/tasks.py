"""What PanDA's clients do with tasks in ``/api/v1/task``: users' own, which they submit here, and productions.

A task is known by its number, which its jobs have as ``jediTaskID``; its states are told in PanDA's words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest

from pilot.contract.codec import INTEGER, JSON_TEXT, OBJECT, TRUTH, ContractError
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import READERS
from server.dispatcher import owners
from server.dispatcher.v1 import GET, NothingToGive, Registered, method
from server.lib.arguments import Argument
from server.production import logic, panda_words, user_tasks
from server.production import queries as production
from server.production.models import Task
from server.production.states import TaskState
from server.production.user_definition import read_parameters
from server.services.wake import wake
from server.taskbuffer import queries as taskbuffer

_TASK = Argument("task_id", INTEGER, "Number of the task.")


def _passed_over(name: str) -> Argument:
    return Argument(name, TRUTH, "Steers what only PanDA has; passed over.", None)


def _task(number: int) -> Task:
    found = production.find_task_by_number(number)
    if found is None:
        raise NothingToGive(f"task_id: {number} is not known here; a task's jobs have its number as jediTaskID")
    return found


#: What follows at once on what somebody does with a task, if the services run.
_NEXT = ("production.submit", "production.finish")


def _do(number: int, identity: Identity, act: Callable[[str], Task]) -> Registered:
    task = _task(number)
    owners.refuse_task_of_others(identity, task)
    try:
        done = act(task.name)
    except logic.TaskRefused as refused:
        raise NothingToGive(str(refused)) from refused
    for service in _NEXT:
        wake(service)
    return Registered(f"task {task.name} is {panda_words.status_of(done)}")


def _move(number: int, to: TaskState, identity: Identity) -> Registered:
    return _do(number, identity, lambda name: logic.move_task(name, to.value, by=identity.name))


_PARAMETERS = Argument("task_parameters", OBJECT, "The task, by PanDA's names: taskName, transPath, jobParameters ...")
_PARENT = Argument("parent_tid", INTEGER, "Passed over when 0: tasks do not wait for each other here.", None)


@method(Role.PRODUCTION, Role.USER, takes=(_PARAMETERS, _PARENT))
def submit(request: HttpRequest, identity: Identity, task_parameters: Mapping[str, Any], parent_tid: int | None) -> Any:
    """Take a task of jobs that are made from one template; `message` tells its number, as `jediTaskID=...`."""
    if parent_tid:
        words = f"parent_tid: {parent_tid}: tasks do not wait for each other here; submit this one when that is done"
        raise ContractError(words, field_name="parent_tid")
    definition = read_parameters(task_parameters)
    owner, label, priority = owners.task_as_its_own(identity, definition)
    task = user_tasks.submit_task(
        definition, task_parameters, by=identity.name, owner=owner, label=label, priority=priority
    )
    for service in (*_NEXT, "factory.cycle"):
        wake(service)
    return Registered(f"succeeded. new jediTaskID={task.pk}")


@method(*READERS, takes=(_TASK,), verbs=(GET,))
def get_status(request: HttpRequest, identity: Identity, task_id: int) -> Any:
    """Answer the state of a task, in PanDA's words."""
    return panda_words.status_of(_task(task_id))


_PARTS = (
    Argument("include_parameters", TRUTH, "Whether also what a user has submitted.", False),
    _passed_over("include_status"),
)


@method(*READERS, takes=(_TASK, *_PARTS), verbs=(GET,))
def get_details(
    request: HttpRequest, identity: Identity, task_id: int, include_parameters: bool, include_status: bool | None
) -> Any:
    """Answer everything about a task: its state, its progress, its jobs; of a production also its runs and outputs."""
    return panda_words.details_of(_task(task_id), parameters=include_parameters)


@method(*READERS, takes=(_TASK,), verbs=(GET,))
def get_job_ids(request: HttpRequest, identity: Identity, task_id: int) -> Any:
    """Answer the numbers of all jobs of a task, also of those in the archive."""
    return taskbuffer.jobs_of_task(task_id)


@method(Role.PRODUCTION, Role.USER, takes=(_TASK, _passed_over("broadcast")))
def kill(request: HttpRequest, identity: Identity, task_id: int, broadcast: bool | None) -> Any:
    """Cancel a task, and end its jobs; users their own."""
    return _move(task_id, TaskState.CANCELLED, identity)


@method(Role.PRODUCTION, Role.USER, takes=(_TASK,))
def pause(request: HttpRequest, identity: Identity, task_id: int) -> Any:
    """Hold a task back: no more jobs are sent, and those of a user's task that are queued are taken back."""
    return _move(task_id, TaskState.PAUSED, identity)


@method(Role.PRODUCTION, Role.USER, takes=(_TASK,))
def resume(request: HttpRequest, identity: Identity, task_id: int) -> Any:
    """Go on with a task that was paused."""
    return _move(task_id, TaskState.RUNNING, identity)


_SOFT = Argument("soft", TRUTH, "Whether running jobs end in their own way; else they are ended.", False)


@method(Role.PRODUCTION, Role.USER, takes=(_TASK, _SOFT, _passed_over("broadcast")))
def finish(request: HttpRequest, identity: Identity, task_id: int, soft: bool, broadcast: bool | None) -> Any:
    """Start nothing more of a task; when its last job has ended it is finished, or done if it has made everything."""
    return _do(task_id, identity, lambda name: logic.finish_task(name, by=identity.name, soft=soft))


_NEW = Argument("new_parameters", JSON_TEXT, "There are none here: a task stays as it was defined.", None)
_WAYS = ("no_child_retry", "discard_events", "disable_staging_mode", "keep_gshare_priority", "ignore_hard_exhausted")


@method(Role.PRODUCTION, Role.USER, takes=(_TASK, _NEW, *map(_passed_over, _WAYS)))
def retry(request: HttpRequest, identity: Identity, task_id: int, new_parameters: str | None, **said: Any) -> Any:
    """Send what of a task has failed, or was left out when it was finished early, once more, in new jobs."""
    if new_parameters and new_parameters != "{}":
        text = "new_parameters: a task stays as it was defined here; define another one"
        raise ContractError(text, field_name="new_parameters")
    return _move(task_id, TaskState.RESEND_FAILED, identity)
