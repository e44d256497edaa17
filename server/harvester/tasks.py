"""The clean-up of what Harvesters have said."""

from __future__ import annotations

from django.conf import settings

from server.harvester import logic
from server.services.registry import Figures, Turn, periodic


@periodic("harvester.prune", every=3600, limit=300)
def prune(turn: Turn) -> Figures:
    """Forget workers of Harvesters that are over, their messages and figures, after some time."""
    return {"deleted": logic.prune(now=turn.now, days=settings.ENVIRONMENT.worker_days)}
