"""The periodic services of the notifications."""

from __future__ import annotations

from server.notify import logic
from server.services.registry import Figures, Turn, periodic
from server.services.wake import wake


@periodic("notify.collect", every=60, limit=300)
def collect(turn: Turn) -> Figures:
    """Look for what people want to be told, and write it to the outbox."""
    found = logic.collect(turn.now)
    if found:
        wake("notify.deliver")
    return {"found": found}


@periodic("notify.deliver", every=60, limit=120)
def deliver(turn: Turn) -> Figures:
    """Send mails and call webhooks with what is in the outbox."""
    return {"packed": logic.pack(turn.now), **logic.deliver(turn.now, keep=turn.keep)}


@periodic("notify.prune", every=21600, limit=300)
def prune(turn: Turn) -> Figures:
    """Delete notifications that were sent long ago."""
    return {"deleted": logic.prune(turn.now, keep=turn.keep)}
