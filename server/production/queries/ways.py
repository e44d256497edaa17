"""What people may do to a task as it stands, and what that means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.production.models import Task
from server.production.states import BY_PEOPLE, NOT_CHANGED, TaskState

CHANGE = "change"


@dataclass(frozen=True)
class Way:
    """Something that can be done to tasks: the word on its button, and what it means."""

    word: str
    means: str
    grave: bool = False


#: Where people move tasks to on this page. Starting and sending again have pages of their own.
WAYS: Mapping[str, Way] = {
    TaskState.PAUSED.value: Way("Pause", "Nothing more is sent. What runs goes on, and what has ended is looked at."),
    TaskState.RUNNING.value: Way("Go on", "What was held back is sent again, from where it stopped."),
    TaskState.FINISHING.value: Way("Start nothing more", "What runs still ends; then the task is over as it is.", True),
    TaskState.CANCELLED.value: Way(
        "Cancel", "Its jobs are ended at once. What is finished stays; it cannot be taken back.", True
    ),
    TaskState.ARCHIVE.value: Way(
        "Archive", "Its logs are packed and go to tape where it has one; nothing of it is made again then."
    ),
    CHANGE: Way("Change", "Jobs that no pilot has are taken back and sent as the task is then; others stay."),
}


def ways_of(task: Task) -> list[tuple[str, Way]]:
    """Answer what can be done to a task now, for its page."""
    return [(to, way) for to, way in WAYS.items() if not refuses(task, to)]


def refuses(task: Task, to: str) -> str:
    """Say why something cannot be done to a task as it stands; empty where it can."""
    state = TaskState(task.state)
    if to == CHANGE:
        return f"it is {state.label}" if state in NOT_CHANGED else ""
    if (state, TaskState(to)) in BY_PEOPLE:
        return ""
    return f"it is {state.label} already" if state == to else f"it is {state.label}"
