"""Who stands above the task buffer, and is asked by it.

What readers of events have not read is not archived, what owners have replaced is not reset, and where a job is tried
again is for brokerage to say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

#: Answers, of jobs with the tasks that they belong to, those that others have replaced, and why.
Replaced = Callable[[Mapping[int, int | None]], Mapping[int, str]]

#: Answers the best queue for a job beside those where it has been, among some or (none named) all; "" for none.
Chooser = Callable[[int, Collection[str], Collection[str]], str]

_CHOOSERS: dict[str, Chooser] = {}
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


def register_chooser(choose: Chooser) -> None:
    """Name who knows which queue suits a job."""
    _CHOOSERS["queue"] = choose


def choose(job_id: int, been: Collection[str], allowed: Collection[str]) -> str:
    """Answer another queue for a job than those where it has been; "" when none takes it."""
    return next((ask(job_id, been, allowed) for ask in _CHOOSERS.values()), "")
