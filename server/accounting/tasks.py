"""Accounting's periodic services: ends are counted, quotas and shares measured, and old days become months."""

from __future__ import annotations

from django.conf import settings

from server.accounting import logic, measure, months
from server.services.registry import Figures, Turn, periodic


@periodic("accounting.fold", every=60, limit=300)
def fold_usage(turn: Turn) -> Figures:
    """Count the jobs and their tries that have ended since the last time."""
    done = logic.fold(now=turn.now, keep=turn.keep)
    return {"events": done.events, "days": done.days}


@periodic("accounting.measure", every=300, limit=300)
def measure_usage(turn: Turn) -> Figures:
    """Measure what shares have had of late, and how much of each quota is used."""
    measure.measure_shares(now=turn.now, half_life=settings.ENVIRONMENT.usage_half_life)
    return {"quotas_used_up": measure.measure_quotas(now=turn.now)}


@periodic("accounting.compact", every=3600, limit=300)
def compact_usage(turn: Turn) -> Figures:
    """Keep usage of long ago by month, and no longer by day."""
    environment = settings.ENVIRONMENT
    if not environment.usage_months:
        return {"rows": 0}
    half_life = environment.usage_half_life
    return {"rows": months.compact(now=turn.now, months=environment.usage_months, half_life=half_life, keep=turn.keep)}
