"""How much memory the slot may take that the pilot runs in: the least limit of its own group and of those above it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Optional

from pilot.runtime import cgroup

#: Version 1 writes "no limit" as the largest number of pages; nothing has so much memory.
_UNLIMITED = 2**60
_FILES = (("memory", "memory.limit_in_bytes"), ("", "memory.max"))


def memory_limit(folders: Optional[Mapping[str, str]] = None) -> int:
    """Answer the limit in bytes; 0 when nobody set one. ``folders`` are groups by controller, as `cgroup.here` does."""
    own = cgroup.here() if folders is None else folders
    limits = [limit for controller, name in _FILES for limit in _limits(own.get(controller, ""), name)]
    return min(limits, default=0)


def _limits(folder: str, name: str) -> Iterator[int]:
    if not folder:
        return
    for place in (Path(folder), *Path(folder).parents):
        with contextlib.suppress(OSError, ValueError):  # the topmost group has none, and "max" is no number
            if 0 < (limit := int((place / name).read_text())) < _UNLIMITED:
                yield limit
