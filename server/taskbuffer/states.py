"""Small tables of the task buffer: what becomes of a killed job, the states of files, and the order of the queue.

The states of jobs and their moves are the contract's (`pilot.contract.states`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pilot.contract.server_codes import TaskBufferCode
from pilot.contract.states import JobState


class FileState(str, Enum):
    """PanDA's words of ``filestable4.status``."""

    UNKNOWN = "unknown"  # ordered, not yet written
    PENDING = "pending"  # an input that is not there yet
    READY = "ready"
    FAILED = "failed"
    NO_OUTPUT = "nooutput"  # allowed to be missing, and missing


@dataclass(frozen=True)
class Kill:
    """What a kill code asks for: the end, why, and whether a job that runs ends at once or by its pilot."""

    end: JobState
    code: TaskBufferCode
    at_once: bool = False


_CANCEL = Kill(JobState.CANCELLED, TaskBufferCode.KILLED)
_FORCE = Kill(JobState.CANCELLED, TaskBufferCode.KILLED, at_once=True)
_CLOSE = Kill(JobState.CLOSED, TaskBufferCode.KILLED)
_EXPIRE = Kill(JobState.CLOSED, TaskBufferCode.EXPIRED)

#: PanDA's kill codes; ``None`` is a plain kill.
KILLS: dict[int | None, Kill] = {
    None: _CANCEL,
    2: _EXPIRE,
    3: Kill(JobState.CANCELLED, TaskBufferCode.ABORTED),
    4: _EXPIRE,
    8: Kill(JobState.CANCELLED, TaskBufferCode.REASSIGNED_BY_BROKERAGE),
    9: _FORCE,
    10: Kill(JobState.CLOSED, TaskBufferCode.FAST_REBROKERAGE),
    50: _CANCEL,
    51: _CLOSE,
    52: _FORCE,
    55: _CLOSE,
    60: _CLOSE,
    91: _CANCEL,
    99: _FORCE,
}

#: Before these states a job waits for its inputs or its place, and may be activated.
MAY_BE_ACTIVATED = frozenset({JobState.PENDING, JobState.DEFINED, JobState.WAITING, JobState.ASSIGNED})

#: A retried job steps back in the queue by so much, as PanDA has it.
RETRY_PENALTY = 10

#: Priorities lie between -HIGHEST_PRIORITY and HIGHEST_PRIORITY, so that ranks have 64 bits.
HIGHEST_PRIORITY = 2**22


#: Ranks between two neighbouring priorities: jobs of one stand by their numbers.
PER_PRIORITY = 2**40


def rank(priority: int, job_id: int) -> int:
    """Say where in its bucket a job stands: higher priority first, then the older job."""
    return -priority * PER_PRIORITY + job_id
