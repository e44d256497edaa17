"""What one attempt to copy one file has come to: for reports, pages and Rucio. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pilot.contract.frozen import Frozen

#: Characters of a failure's words that are kept.
WORDS = 300


class Trace(Frozen):
    """One attempt at one file.

    ``direction`` is ``in`` or ``out``; ``protocol`` the scheme by which the storage ``endpoint`` was reached, for
    ``activity``. Addresses are without secrets. ``began`` is seconds since 1970, ``copying`` and ``verifying`` are
    seconds, ``size`` is bytes. ``kind`` and ``error`` are "" when it ended well; ``direct``: the payload reads the file
    where it lies, and nothing was copied.
    """

    lfn: str
    direction: str
    scope: str = ""
    dataset: str = ""
    guid: str = ""
    tool: str = ""
    protocol: str = ""
    source: str = ""
    target: str = ""
    endpoint: str = ""
    activity: str = ""
    began: float = 0.0
    copying: float = 0.0
    verifying: float = 0.0
    size: int = 0
    attempt: int = 1
    kind: str = ""
    error: str = ""
    direct: bool = False

    @property
    def well(self) -> bool:
        """Whether the file arrived, or was stored, and is as it should be."""
        return not self.kind and not self.error


def told(trace: Trace) -> Mapping[str, Any]:
    """Write a trace for people and pages: as JSON, without what says nothing."""
    said = asdict(trace)
    rounded = {name: round(said[name], 3) for name in ("began", "copying", "verifying")}
    return {name: value for name, value in {**said, **rounded}.items() if value != "" and value is not False}
