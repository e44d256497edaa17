"""When a pilot has to be gone: the end of its life, of the lease of its slot, of its batch job. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilot.contract.codes import ErrorCode
from pilot.contract.named import NamedTuple
from pilot.job import Problem

if TYPE_CHECKING:
    from pilot.settings.sections import Job


class End(NamedTuple):
    """A time, in seconds on the pilot's clock, and what a job is reported with that still runs shortly before it."""

    at: float
    problem: Problem


def known_ends(job: Job, started: float) -> tuple[End, ...]:
    """Answer the ends that the settings tell of, for a pilot that began at ``started``."""
    said = (
        (job.lifetime, ErrorCode.REACHED_MAX_TIME, "the pilot's lifetime"),
        (job.lease, ErrorCode.LEASE_TIME, "the lease of the slot"),
        (job.walltime, ErrorCode.REACHED_MAX_TIME, "the time of the batch slot"),
    )
    return tuple(
        End(started + seconds, Problem(code, f"{words} of {seconds:.0f} s is over"))
        for seconds, code, words in said
        if seconds > 0
    )


def first(ends: Sequence[End]) -> End:
    """Answer the end that comes first."""
    return min(ends, key=lambda end: end.at)


def remaining(ends: Sequence[End], now: float) -> float:
    """Answer the seconds until the first of them; 0.0 when it has come."""
    return max(0.0, first(ends).at - now)


def working_end(ends: Sequence[End], started: float, reserve: float) -> float:
    """Answer the time at which jobs are ended, so that ``reserve`` seconds are left to store logs and report.

    Of a time that is no longer than the reserve, half is used for working.
    """
    at = first(ends).at
    return at - (reserve if reserve < at - started else (at - started) / 2)
