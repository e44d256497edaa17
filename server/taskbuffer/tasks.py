"""The task buffer's periodic service: the watchdog."""

from __future__ import annotations

from dataclasses import asdict

from server.services.registry import Figures, Turn, periodic
from server.taskbuffer.limits import limits
from server.taskbuffer.logic import reap_lost, watch

WATCHDOG = "watchdog"


@periodic("taskbuffer.watchdog", every=15, limit=300)
def watchdog(turn: Turn) -> Figures:
    """Put right the jobs whose pilots fell silent, that stand in one state for too long, or that can never run."""
    bounds = limits()
    reaped = reap_lost(now=turn.now, limits=bounds, keep=turn.keep)
    impossible = watch.fail_impossible(now=turn.now, by=WATCHDOG, keep=turn.keep)
    expired = watch.expire_waiting(now=turn.now, limits=bounds, by=WATCHDOG, keep=turn.keep)
    expired += watch.expire_queued(now=turn.now, limits=bounds, by=WATCHDOG, keep=turn.keep)
    overstayed = watch.end_overstays(now=turn.now, limits=bounds, by=WATCHDOG, keep=turn.keep)
    return {**asdict(reaped), "impossible": impossible, "expired": expired, "overstayed": overstayed}
