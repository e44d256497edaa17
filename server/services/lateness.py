"""Whether a service is late: a rule for whoever looks, so that it holds when no worker and no schedule runs at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: Beyond its time a service is given its own period, but never less and never more than this.
LEAST_GRACE = timedelta(seconds=60)
MOST_GRACE = timedelta(hours=1)
#: A run that goes on is not late until it is this much past the time of the next one.
LONGEST_RUN = timedelta(hours=6)


@dataclass(frozen=True)
class Standing:
    """What is known of a service; ``due`` is the time of its next run, ``period`` is none for a crontab."""

    enabled: bool
    due: datetime | None
    period: timedelta | None
    running: bool = False


def grace_of(period: timedelta | None) -> timedelta:
    """Answer how long after its time a service is not yet late."""
    return MOST_GRACE if period is None else min(max(period, LEAST_GRACE), MOST_GRACE)


def late_since(one: Standing, now: datetime) -> datetime | None:
    """Answer since when a service is late, or nothing if it is not.

    One that is off is never late, nor is one that has never been due; one that fails is due when it is tried next.
    """
    if not one.enabled or one.due is None:
        return None
    since = one.due + (LONGEST_RUN if one.running else grace_of(one.period))
    return since if now > since else None
