"""Periodic services of the tables."""

from __future__ import annotations

from datetime import timedelta

from server.pandaconfig import logic
from server.services.registry import Figures, Turn, periodic


@periodic("pandaconfig.end_holds", every=30)
def end_holds(turn: Turn) -> Figures:
    """Gives queues back the status that they had before one that was set for a time."""
    return {"given back": logic.end_holds(turn.now)}


@periodic("pandaconfig.forget", every=3600)
def forget(turn: Turn) -> Figures:
    """Forgets imports that were looked at and never written."""
    return {"forgotten": logic.forget_drafts(turn.now - timedelta(days=1))}
