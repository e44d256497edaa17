"""Who lives on the task buffer's jobs: what they have not read is not archived, what they have replaced not reset."""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: Answers, of jobs with the tasks that they belong to, those that others have replaced, and why.
Replaced = Callable[[Mapping[int, int | None]], Mapping[int, str]]

_POSITIONS: dict[str, Callable[[], int]] = {}
_OWNERS: dict[str, Replaced] = {}


def register(name: str, position: Callable[[], int]) -> None:
    """Name a reader of the events, and how to ask for the number of the last event that it has done with."""
    _POSITIONS[name] = position


def read_by_all() -> int | None:
    """Answer the number of the last event that every reader has done with; nothing where nobody reads them."""
    return min((position() for position in _POSITIONS.values()), default=None)


def register_owner(name: str, replaced: Replaced) -> None:
    """Name who submits other jobs in place of those that ended badly, and how to ask which it has replaced so."""
    _OWNERS[name] = replaced


def replaced_by_owners(tasks: Mapping[int, int | None]) -> dict[int, str]:
    """Answer those of these jobs that would do again what another job does, and why; ``tasks`` by job."""
    found: dict[int, str] = {}
    for replaced in _OWNERS.values():
        found.update(replaced(tasks))
    return found
