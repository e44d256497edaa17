"""How a credential stands, from its row alone: whether it ends soon, and the word that pages and figures show."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

from server.credentials.models import Credential


class Standing(str, Enum):
    """A word for each; all but the first are to be looked at by somebody."""

    GOOD = "good"
    OFF = "switched off"
    FAILING = "not renewed"
    ENDS_SOON = "ends soon"
    ENDED = "ended"
    MISSING = "never obtained"


#: Of those that nobody has to look at.
WELL = frozenset({Standing.GOOD, Standing.OFF})


def renewal_at(credential: Credential) -> datetime | None:
    """Say when a credential is to be renewed: some time before its end, at half of its life if that is later."""
    if credential.ends_at is None:
        return None
    ahead = timedelta(seconds=credential.renew_ahead)
    if credential.obtained_at is not None:
        ahead = min(ahead, (credential.ends_at - credential.obtained_at) / 2)
    return credential.ends_at - ahead


def ends_soon(credential: Credential, now: datetime) -> bool:
    """Say whether the time has come to renew it."""
    at = renewal_at(credential)
    return at is not None and at <= now


def standing(credential: Credential, now: datetime) -> Standing:
    """Say how a credential stands."""
    if not credential.enabled:
        return Standing.OFF
    if credential.sealed is None:
        return Standing.MISSING
    if credential.ends_at is not None and credential.ends_at <= now:
        return Standing.ENDED
    if credential.failures:
        return Standing.FAILING
    return Standing.ENDS_SOON if ends_soon(credential, now) else Standing.GOOD
