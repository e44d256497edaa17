"""The factory's periodic services."""

from __future__ import annotations

from dataclasses import asdict

from server.factory import logic, setup
from server.services.registry import Figures, Turn, periodic


@periodic("factory.cycle", every=2, limit=300)
def cycle(turn: Turn) -> Figures:
    """Submit pilots where jobs wait, and follow those that were submitted."""
    setup.renew_passes()
    return asdict(logic.cycle(turn.now, system_of=setup.systems(), launch=setup.launch(), keep=turn.keep))


@periodic("factory.collect", every=60, limit=600)
def collect(turn: Turn) -> Figures:
    """Bring the logs of pilots that have ended from batch systems that keep them."""
    return {"brought": logic.collect(turn.now, system_of=setup.systems(), keep=turn.keep)}


@periodic("factory.clean", every=3600, limit=600)
def clean(turn: Turn) -> Figures:
    """Remove the files of pilots that ended long ago."""
    return {"removed": logic.clean(turn.now, system_of=setup.systems(), keep=turn.keep)}
