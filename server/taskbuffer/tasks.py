"""The task buffer's periodic services: the watchdog, and the archive."""

from __future__ import annotations

from dataclasses import asdict

from django.conf import settings

from server.services.registry import Figures, Turn, periodic
from server.taskbuffer.limits import limits
from server.taskbuffer.logic import archive, reap_lost, watch

WATCHDOG = "watchdog"


@periodic("taskbuffer.watchdog", every=15, limit=300)
def watchdog(turn: Turn) -> Figures:
    """Put right the jobs whose pilots fell silent, that stand in one state for too long, or that can never run."""
    bounds = limits()
    reaped = reap_lost(now=turn.now, limits=bounds, keep=turn.keep)
    impossible = watch.fail_impossible(
        now=turn.now, grace=settings.ENVIRONMENT.obstacle_grace, by=WATCHDOG, keep=turn.keep
    )
    expired = watch.expire_waiting(now=turn.now, limits=bounds, by=WATCHDOG, keep=turn.keep)
    expired += watch.expire_queued(now=turn.now, limits=bounds, by=WATCHDOG, keep=turn.keep)
    overstayed = watch.end_overstays(now=turn.now, limits=bounds, by=WATCHDOG, keep=turn.keep)
    return {**asdict(reaped), "impossible": impossible, "expired": expired, "overstayed": overstayed}


@periodic("taskbuffer.archive", every=60, limit=300)
def archive_jobs(turn: Turn) -> Figures:
    """Move jobs that ended long ago into the archive, and forget those that are too old even for that."""
    environment, moved, purged, stuck = settings.ENVIRONMENT, 0, 0, dict[int, str]()
    if environment.archive_after:
        moved = archive.archive_ended(now=turn.now, after=environment.archive_after, keep=turn.keep, stuck=stuck)
    if environment.purge_after:
        purged = archive.purge(now=turn.now, after=environment.purge_after, keep=turn.keep)
    return {"archived": moved, "not archived": len(stuck), "purged": purged}
