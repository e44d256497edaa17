"""The task buffer's periodic service: the watchdog."""

from __future__ import annotations

from dataclasses import asdict

from server.services.registry import Figures, Turn, periodic
from server.taskbuffer.logic import reap_lost


@periodic("taskbuffer.watchdog", every=15, limit=300)
def watchdog(turn: Turn) -> Figures:
    """Put right the jobs whose pilots fell silent."""
    return asdict(reap_lost(now=turn.now))
