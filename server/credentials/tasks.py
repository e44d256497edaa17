"""The services of credentials: they are renewed, and what is not needed any more is removed."""

from __future__ import annotations

from server.credentials.logic import forget, renew
from server.services.registry import Figures, Turn, periodic


@periodic("credentials.renew", every=60, limit=180)
def renew_credentials(turn: Turn) -> Figures:
    """Renew proxies and tokens before they end."""
    return renew.renew_due(turn.now, turn.keep)


@periodic("credentials.forget", every=60, limit=180)
def forget_secrets(turn: Turn) -> Figures:
    """Remove the secrets of jobs that have ended, and old lines about what was handed out."""
    return {"secrets": forget.forget_ended(), "lines": forget.forget_hand_outs(turn.now)}
