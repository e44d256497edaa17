"""The periodic services of the pilots: what they cost is added up, and what is old is forgotten."""

from __future__ import annotations

from django.conf import settings

from server.pilots import logic
from server.services.registry import Figures, Turn, periodic


@periodic("pilots.count", every=60, limit=300)
def count(turn: Turn) -> Figures:
    """Add up by day, queue and node how pilots ended, and how much of their time had a job."""
    return {"counted": logic.count_ended(now=turn.now, keep=turn.keep)}


@periodic("pilots.prune", every=3600, limit=300)
def prune(turn: Turn) -> Figures:
    """Forget pilots that ended long ago, workers and nodes that nobody speaks of any longer, and old sums of costs."""
    environment = settings.ENVIRONMENT
    pilots = logic.forget_pilots(now=turn.now, days=environment.pilot_days, keep=turn.keep)
    return {"pilots": pilots, "deleted": logic.prune(now=turn.now, days=environment.worker_days)}
