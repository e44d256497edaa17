"""Puts together what looks at running jobs, when the first look is due: a pilot starts without it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Callable

from pilot.api.resource_types import known_types
from pilot.control.checking import Checking
from pilot.control.checks import hardware
from pilot.control.checks.readings import Means

if TYPE_CHECKING:
    from pilot.control.agent import Parts
    from pilot.control.credentials import CredentialReader
    from pilot.control.lanes import Tell
    from pilot.control.payload import PayloadControl
    from pilot.site.features import Features


def checking_of(
    parts: Parts, payloads: PayloadControl, tell: Tell, features: Callable[[], Features], credentials: CredentialReader
) -> Checking:
    """Answer what takes the readings for a pilot's checks, and asks these."""
    reading = Means(
        parts.settings,
        root_of=payloads.roots.get,
        features=features,
        credential=credentials.renewed,
        resource_type=known_types(parts.settings.server, parts.token).of,
        hardware=lru_cache(maxsize=1)(hardware.found),
        writes=not parts.settings.payload.prmon,
    )
    return Checking(tell, parts.plugins, parts.own, reading)
