"""What the end of a pilot adds to the sums of its day: how it ended, and how much of its time had a job. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from pilot.contract.exit_codes import ExitCode
from pilot.contract.states import JobState

#: A pilot that had no job and ended within so many seconds, though there was work, has met something that is broken.
QUICK = 60.0
#: A pilot with one of these has done what it was for.
WELL = frozenset({ExitCode.OK, ExitCode.NO_JOBS, ExitCode.JOB_FAILED, ExitCode.JOB_KILLED})


class Span(NamedTuple):
    """A try of a job: from when to when (none: it is not over), and in which state."""

    begin: datetime
    end: datetime | None
    state: str


class Ended(NamedTuple):
    """What is known of a pilot that has ended; ``jobs`` is how many it was given."""

    started: datetime | None
    ended: datetime
    exit_code: int | None
    lost: bool
    jobs: int


#: The columns that are added up, in the order of `sums_of`.
COLUMNS = ("pilots", "jobless", "failed", "quick", "lost", "jobs", "jobs_failed", "wall_seconds", "busy_seconds")


def sums_of(pilot: Ended, tries: Sequence[Span]) -> tuple[int, ...]:
    """Answer what a pilot adds to each column."""
    start = pilot.started or pilot.ended
    wall = max(0.0, (pilot.ended - start).total_seconds())
    jobs = max(pilot.jobs, len(tries))
    failed = not pilot.lost and pilot.exit_code is not None and pilot.exit_code not in WELL
    quick = failed and not jobs and pilot.started is not None and wall < QUICK
    bad = sum(one.state == JobState.FAILED.value for one in tries)
    return (1, not jobs, failed, quick, pilot.lost, jobs, bad, round(wall), round(busy(start, pilot.ended, tries)))


def busy(start: datetime, end: datetime, tries: Iterable[Span]) -> float:
    """Answer the seconds between two times in which there was at least one try; they may lie over each other."""
    seconds, until = 0.0, start
    for one in sorted(tries, key=lambda each: each.begin):
        begin, over = max(one.begin, until), min(one.end or end, end)
        if over > begin:
            seconds += (over - begin).total_seconds()
            until = over
    return seconds
