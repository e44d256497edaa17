"""What administrators enter: credentials as text, and what token endpoints are asked with. Written, and never shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from server.credentials.keyring import SealBroken, keyring
from server.credentials.logic.renew import checked_end, place, place_of_grant, refuse_ended
from server.credentials.models import Credential


def check(kind: str, text: str, now: datetime) -> datetime | None:
    """Answer when a credential ends that somebody enters.

    Raises:
        NotGood: it is none of its kind, or has ended.
    """
    ends_at = checked_end(kind, text)
    refuse_ended(ends_at, now)
    return ends_at


def enter(credential: Credential, text: str, now: datetime) -> None:
    """Keep what somebody has entered; raises as ``check`` does, and ``KeysMissing``."""
    ends_at = check(credential.kind, text, now)
    Credential.objects.filter(pk=credential.pk).update(
        sealed=keyring().seal(text, place(credential)), ends_at=ends_at, obtained_at=now, failures=0, last_error=""
    )


def enter_grant(credential: Credential, grant: Mapping[str, str]) -> None:
    """Keep what an endpoint is asked with, beside what there is, and have it asked anew; raises ``KeysMissing``."""
    about, keys = place_of_grant(credential), keyring()
    sealed = keys.seal(json.dumps({**_known_grant(credential, about), **grant}), about)
    Credential.objects.filter(pk=credential.pk).update(sealed_grant=sealed, tried_at=None, failures=0)


def _known_grant(credential: Credential, about: str) -> dict[str, str]:
    """Answer what this address is asked with now; nothing of what another one was asked with."""
    if credential.sealed_grant is None:
        return {}
    try:
        found: dict[str, str] = json.loads(keyring().open(credential.sealed_grant, about))
    except SealBroken:
        return {}
    return found
