"""Who lives on the task buffer's events: what they have not read yet is not moved to the archive."""

from __future__ import annotations

from collections.abc import Callable

_POSITIONS: dict[str, Callable[[], int]] = {}


def register(name: str, position: Callable[[], int]) -> None:
    """Name a reader of the events, and how to ask for the number of the last event that it has done with."""
    _POSITIONS[name] = position


def read_by_all() -> int | None:
    """Answer the number of the last event that every reader has done with; nothing where nobody reads them."""
    return min((position() for position in _POSITIONS.values()), default=None)
