"""The clean-up of uploads."""

from __future__ import annotations

from server.services.registry import Figures, Turn, periodic
from server.uploads import logic


@periodic("uploads.forget", every=3600, limit=300)
def forget(turn: Turn) -> Figures:
    """Remove files that users sent along with their jobs, once their days are over."""
    return {"removed": logic.forget_old(now=turn.now)}
