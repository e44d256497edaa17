"""Keys that tokens are asked for with: made from the server's secret and the day, so that none is stored anywhere.

A key is good in the period in which it was given and in the next one: whoever asks for one a day is never without.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from django.conf import settings

_DAY = 86400


def key_of(name: str, days: int, now: datetime) -> str:
    """Answer the key of a credential at this time; ``days`` is the length of a period."""
    return _key(name, days, _period(days, now), settings.SECRET_KEY)


def is_key(text: str, name: str, days: int, now: datetime) -> bool:
    """Say whether this is a key of a credential that is good now."""
    period = _period(days, now)
    good = [
        hmac.compare_digest(text.encode(), _key(name, days, number, secret).encode())
        for number in (period, period - 1)
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]
    return any(good)


def _period(days: int, now: datetime) -> int:
    return int(now.timestamp() // (days * _DAY))


def _key(name: str, days: int, period: int, secret: str) -> str:
    own = hashlib.sha256(b"COMPASS token keys, version 1\0" + secret.encode()).digest()
    said = f"{period}\0{days}\0{name}".encode()
    return base64.urlsafe_b64encode(hmac.digest(own, said, "sha256")).decode().rstrip("=")
