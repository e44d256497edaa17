"""What jobs failed of whose allocation did not bring them to their end. Pure."""

from __future__ import annotations

from pilot.contract.codes import ErrorCode
from pilot.hpc.values import BatchState, Status
from pilot.job import Problem

_CODES = {
    BatchState.HELD: (ErrorCode.ALLOCATION_HELD, "was held too long"),
    BatchState.RESCHEDULED: (ErrorCode.ALLOCATION_RESCHEDULED, "was to be started anew"),
    BatchState.TIMED_OUT: (ErrorCode.ALLOCATION_TIMED_OUT, "was over by its wall time"),
    BatchState.CANCELLED: (ErrorCode.ALLOCATION_LOST, "was cancelled"),
    BatchState.FAILED: (ErrorCode.ALLOCATION_LOST, "was lost by the batch system"),
    BatchState.UNKNOWN: (ErrorCode.ALLOCATION_LOST, "is not known to the batch system any more"),
}


def of_status(name: str, status: Status) -> Problem:
    """Say what a job failed of that has no rank report, from how its allocation is now."""
    code, words = _CODES.get(status.state, (ErrorCode.RANK_LOST, "ended, and this job's rank has reported nothing"))
    said = f": {status.words}" if status.words else ""
    return Problem(code, f"allocation {name} {words}{said}")


def mismatch(lines: int, ranks: int) -> Problem:
    """Say that the launcher started another number of ranks than the work list has lines."""
    return Problem(ErrorCode.RANKS_MISMATCH, f"the work list has {lines} lines, the launcher started {ranks} ranks")


def rejected(words: str) -> Problem:
    """Say that the batch system does not take an allocation."""
    return Problem(ErrorCode.ALLOCATION_REJECTED, words)
