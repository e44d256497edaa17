"""The incident log's housekeeping."""

from __future__ import annotations

from django.conf import settings

from server.incidents import logic
from server.services.registry import Figures, Turn, periodic


@periodic("incidents.prune", every=3600, limit=300)
def prune(turn: Turn) -> Figures:
    """Forget incidents that were not seen for long, and old counts."""
    return logic.prune(turn.now, days=settings.ENVIRONMENT.incident_days, keep=turn.keep)
