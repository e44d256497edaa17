"""What PanDA says to pilots by messages. Pure."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, NamedTuple, Optional, Union


class Kind(str, Enum):
    """PanDA's words (``msg_type``)."""

    GET_JOB = "get_job"
    KILL_TASK = "kill_task"
    FINISH_TASK = "finish_task"


class WorkCall(NamedTuple):
    """There is work for whoever asks."""


class TaskCall(NamedTuple):
    """A task is to be ended, or one job of it; ``softly``: its payloads may end in their own way."""

    task_id: int
    job_id: Optional[int]
    softly: bool


class Meaningless(Exception):
    """A message that says nothing to a pilot; the words say what is wrong with it."""


def read_call(body: bytes) -> Union[WorkCall, TaskCall]:
    """Read a message: ``{"msg_type": "kill_task", "taskid": 7}``, with ``jobid`` where one job is meant.

    Raises:
        Meaningless: it is of another kind, or lacks what its kind needs.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Meaningless("it is not JSON") from None
    if not isinstance(said, dict):
        raise Meaningless("it is no JSON object")
    try:
        kind = Kind(said.get("msg_type"))
    except ValueError:
        known = ", ".join(kind.value for kind in Kind)
        raise Meaningless(f"msg_type is {_shown(said.get('msg_type'))}; there are {known}") from None
    if kind is Kind.GET_JOB:
        return WorkCall()
    task, job = _number(said, "taskid", "task_id"), _number(said, "jobid", "job_id", "pandaid")
    if task is None:
        raise Meaningless(f"{kind.value}: taskid is missing; a number is expected")
    return TaskCall(task, job, kind is Kind.FINISH_TASK)


def _number(said: dict[str, Any], *names: str) -> Optional[int]:
    """Read the first of these that is there; a number may be text."""
    for name in names:
        value = said.get(name)
        if value is None:
            continue
        if type(value) is int and value > 0:
            return value
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
            return int(value)
        raise Meaningless(f"{name} is {_shown(value)}; a number is expected")
    return None


def _shown(value: Any) -> str:
    return repr(value)[:60]
