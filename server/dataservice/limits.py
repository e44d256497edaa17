"""Every number that steers the data service; durations are seconds.

``DATASERVICE = {"bulk": 500, "archive": {"empty_for": 86400}}`` in the Django settings changes one for all kinds of
transfers and one for a single kind; an unknown name is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from server.dataservice.states import TransferKind

HOUR, DAY = 3600, 86400


@dataclass(frozen=True)
class Limits:
    """The hour and the 12 hours are those of COMPASS's production system."""

    tries: int = 5
    """Tries of one file in a request, before it fails."""
    delay: int = 300
    """Seconds before the second try; doubled with each further one, up to a day."""
    patience: int = 7 * DAY
    """A try that a storage has not ended after so long is given up, and begun anew."""
    give_up_after: int = 60 * DAY
    """A request is given up so long after it was asked for, or tried again; for a prestage its lifetime is added.
    Longer than all tries of a file may take."""
    absent_for: int = HOUR
    """A file that should lie there may be absent for so long."""
    empty_for: int = 12 * HOUR
    """A file may have size 0 for so long: some tapes show it before its bytes."""
    tape_for: int = 2 * DAY
    """A file may lie on a tape system's disk for so long before it is on tape."""
    look_every: int = 300
    """Seconds between two looks at the same file."""
    poll_every: int = 30
    """Seconds between two questions after the same request."""
    pin: int = DAY
    """Longest pin that a tape system is asked for at once; longer ones are prolonged."""
    repin: int = 6 * HOUR
    """So long before its end a pin is prolonged, and at the latest when half of it is over."""
    bulk: int = 1000
    """Most files in one call to a storage."""
    calls_per_cycle: int = 50
    """Most calls of one kind to storages in one run of a service."""
    close_after: int = DAY
    """A dataset that jobs write into is closed when nothing is expected and nothing has changed for so long."""
    freeze_after: int = 14 * DAY
    """A closed dataset is frozen after so long."""

    def backoff(self, tries: int) -> timedelta:
        """Answer how long to wait before the next try, after so many."""
        return timedelta(seconds=min(self.delay * 2 ** min(max(tries - 1, 0), 30), DAY))


_NAMES = [field.name for field in fields(Limits)]
_KINDS = TransferKind.values


def limits(kind: str = "") -> Limits:
    """Read the limits from the settings, those of one kind of transfers where they differ.

    Raises:
        ImproperlyConfigured: a name is unknown, or a value is not a positive whole number.
    """
    chosen: Mapping[str, Any] = getattr(settings, "DATASERVICE", {})
    general = {name: value for name, value in chosen.items() if name not in _KINDS}
    _check(general, "DATASERVICE")
    own: Mapping[str, Any] = {}
    for one in _KINDS:
        special = chosen.get(one, {})
        if not isinstance(special, Mapping):
            raise ImproperlyConfigured(f"DATASERVICE[{one!r}] = {special!r}: give a dictionary of limits")
        _check(special, f"DATASERVICE[{one!r}]")
        own = special if one == kind else own
    return Limits(**{**general, **own})


def told_by(name: str, kind: str) -> str:
    """Say where a limit of one kind of transfers comes from: the name in the settings, or that it is the default."""
    chosen: Mapping[str, Any] = getattr(settings, "DATASERVICE", {})
    if name in chosen.get(kind, {}):
        return f"DATASERVICE[{kind!r}][{name!r}]"
    return f"DATASERVICE[{name!r}]" if name in chosen else "the default"


def _check(chosen: Mapping[str, Any], where: str) -> None:
    for name, value in chosen.items():
        if name not in _NAMES:
            near = difflib.get_close_matches(name, [*_NAMES, *_KINDS], 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(_NAMES)}"
            raise ImproperlyConfigured(f"{where}[{name!r}] is not a limit of the data service{hint}")
        if not isinstance(value, int) or isinstance(value, bool) or value < (name != "delay"):
            raise ImproperlyConfigured(f"{where}[{name!r}] = {value!r}: give a whole number above 0")
