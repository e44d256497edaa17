"""The batch systems that the factory knows, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from server.batch.base import BatchSystem
from server.batch.local import LocalBatch

#: Name -> makes the system from the folder for its files and the number of its slots.
SYSTEMS: Mapping[str, Callable[[Path, int], BatchSystem]] = {LocalBatch.name: LocalBatch}


def names() -> list[tuple[str, str]]:
    """Answer the names as choices of a form."""
    return [(name, name) for name in SYSTEMS]
