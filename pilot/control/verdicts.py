"""What the kernel's own counts and signals say about a payload's end, before any plugin is asked. Pure."""

from __future__ import annotations

import signal
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.job import PayloadOutcome, Problem

_MB = 2**20
#: A payload that came so close to its limit was ended by it: the kernel stops before the last page.
_REACHED = 0.98


def of_limits(outcome: PayloadOutcome) -> Optional[Problem]:
    """Say which limit ended a payload; ``None`` when it was none. A mere SIGKILL is never taken for want of memory."""
    if outcome.well:
        return None
    if outcome.memory_kills:
        return _of_memory(outcome)
    if outcome.signal == signal.SIGXCPU and outcome.cpu_limit:
        words = f"one process of the payload used the {outcome.cpu_limit} s of CPU time that it may"
        return Problem(ErrorCode.SIGXCPU, words)
    if outcome.signal == signal.SIGXFSZ:
        return Problem(ErrorCode.OUTPUT_TOO_LARGE, "the payload wrote a file larger than it may (limits.file_size)")
    return None


def _of_memory(outcome: PayloadOutcome) -> Problem:
    killed = "a process" if outcome.memory_kills == 1 else f"{outcome.memory_kills} processes"
    words = f"the kernel killed {killed} of the payload for want of memory, when it had {_shown(outcome.memory_peak)}"
    limit = outcome.memory_limit
    if limit and outcome.memory_peak >= limit * _REACHED:
        return Problem(ErrorCode.PAYLOAD_EXCEEDED_MEMORY, f"{words} of the {_shown(limit)} that it may have")
    bound = f"it might have had {_shown(limit)}" if limit else "it had no limit of its own"
    return Problem(ErrorCode.PAYLOAD_OUT_OF_MEMORY, f"{words}; {bound}: the node or the slot was short of memory")


def _shown(size: int) -> str:
    return f"{size / _MB:.0f} MB" if size else "an unknown amount"


def of_status(outcome: PayloadOutcome) -> Problem:
    """Judge a payload that failed by its exit status alone, for want of anything better."""
    if outcome.signal is not None:
        return Problem(ErrorCode.PAYLOAD_SIGNALLED, f"the payload was ended by signal {outcome.signal}")
    return Problem(ErrorCode.PAYLOAD_FAILED, f"the payload ended with status {outcome.status}")


def with_core(problem: Problem, where: str) -> Problem:
    """Say where a core dump lies; what an experiment knows better than "ended by a signal" keeps its code."""
    code = ErrorCode.CORE_DUMP if problem.code is ErrorCode.PAYLOAD_SIGNALLED else problem.code
    return Problem(code, f"{problem.detail}; {where}", problem.payload_code)
