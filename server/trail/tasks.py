"""The audit log's housekeeping."""

from __future__ import annotations

from django.conf import settings

from server.services.registry import Figures, Turn, periodic
from server.trail import logic


@periodic("trail.prune", every=3600, limit=300)
def prune(turn: Turn) -> Figures:
    """Forget what persons have done, and looked at, long ago."""
    environment = settings.ENVIRONMENT
    return logic.prune(turn.now, days=environment.trail_days, view_days=environment.trail_view_days, keep_on=turn.keep)
