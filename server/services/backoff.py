"""When a service runs next, and whether a message that asks for it is to be followed: rules, no tables."""

from __future__ import annotations

from datetime import datetime, timedelta

from server.services.crontabs import Crontab, next_after
from server.services.lease import CLOCK_SKEW
from server.services.states import Asked

#: A service that keeps failing is tried at least this often, if its own period is not longer.
LONGEST_WAIT = timedelta(minutes=10)

#: Two machines may disagree by this much on when a crontab's minute begins.
JITTER = timedelta(seconds=30)


def wait_after(period: timedelta, failures: int) -> timedelta:
    """Answer the time between the begin of one run and the next: doubled with each failure in a row."""
    if not failures:
        return period
    doubled: timedelta = period * 2 ** min(failures, 20)
    return min(doubled, max(period, LONGEST_WAIT))


def is_due(now: datetime, next_run: datetime | None, period: timedelta) -> bool:
    """Say whether the time has come; half a period too early is a clock's jitter, not a second message.

    A time that lies further ahead than any wait was written by a clock that has since been put back.
    """
    if next_run is None or now >= next_run - period / 2:
        return True
    return next_run > now + max(period, LONGEST_WAIT) + CLOCK_SKEW


def due_by_crontab(crontab: Crontab, last_run: datetime | None, scheduled_at: datetime) -> datetime:
    """Answer when a service with a crontab is due after its last run; a missed time stays due until it has run.

    What began a little early, by a clock that differs, stands for the time that it was meant for.

    Raises:
        NeverComes: it never is.
    """
    after = scheduled_at if last_run is None else max(last_run + JITTER, scheduled_at)
    return next_after(crontab, after)


def is_to_run(asked: Asked, *, enabled: bool, due: bool, failures: int) -> bool:
    """Say whether to follow a message. A person is always obeyed; a service that fails is not hurried by events."""
    if asked is Asked.PERSON:
        return True
    return enabled and (due or (asked is Asked.WAKE and not failures))
