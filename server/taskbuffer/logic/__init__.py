"""Every write to the task buffer, one module per verb."""

from __future__ import annotations

from server.taskbuffer.limits import Limits
from server.taskbuffer.logic.command import command, looks_in, was_shown
from server.taskbuffer.logic.end import KillOutcome, kill
from server.taskbuffer.logic.lost import Reaped, reap_lost
from server.taskbuffer.logic.pilot import apply_update, apply_updates, claim
from server.taskbuffer.logic.queue import activate, fail_waiting, place, retry
from server.taskbuffer.logic.submit import submit

__all__ = [
    "KillOutcome",
    "Limits",
    "Reaped",
    "activate",
    "apply_update",
    "apply_updates",
    "claim",
    "command",
    "fail_waiting",
    "kill",
    "looks_in",
    "place",
    "reap_lost",
    "retry",
    "was_shown",
    "submit",
]
