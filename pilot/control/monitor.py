"""The monitor control: looks at jobs when their time has come, and says what it sees. Two lanes."""

from __future__ import annotations

import logging
import queue
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.control.component import Budget, Component
from pilot.control.lanes import Tell
from pilot.control.news import Look, Matter, Progress, Shown
from pilot.control.tails import end_of, last_lines
from pilot.errors import PilotError
from pilot.job import Phase
from pilot.plugins import call
from pilot.runtime import workdir

if TYPE_CHECKING:
    import pluggy

    from pilot.control.checking import Checking

log = logging.getLogger(__name__)

#: No payload has as many; a server takes 18 digits.
MOST_EVENTS = 10**18


class MonitorControl(Component):
    """``base`` is the folder of the jobs' directories."""

    def __init__(
        self,
        inbox: queue.Queue[Look],
        budget: Budget,
        tell: Tell,
        plugins: pluggy.PluginManager,
        base: Path,
    ) -> None:
        super().__init__("monitor", inbox, budget)
        self._tell, self._plugins, self._base = tell, plugins, base

    def handle(self, item: Look) -> None:
        from pilot.control.debugging import fetched, show  # short jobs end before the first look

        place = workdir.of(self._base, item.job.spec)
        if item.matter is Matter.SHOW:
            self._tell(Shown(item.job.key, show(item.argv, place.root), item.argv))
        elif item.job.phase is Phase.RUNNING:
            self._tell(self._progress(item))
        else:
            self._tell(Progress(item.job.key, fetched=fetched(place.root, item.job.spec.inputs)))

    def broke(self, item: Look, error: Exception) -> None:
        """A heartbeat is owed, whatever the payload's output looks like; so is an answer to a debug command."""
        if item.matter is Matter.SHOW:
            self._tell(Shown(item.job.key, f"{item.argv[0]}: {type(error).__name__}: {error}", item.argv))
        else:
            self._tell(Progress(item.job.key))

    def _progress(self, item: Look) -> Progress:
        """Ask the plugins how far the payload is. One that breaks here must not end a job that runs well."""
        place = workdir.of(self._base, item.job.spec)
        try:
            told = call(self._plugins, "payload_progress", spec=item.job.spec, stdout=place.stdout)
            done, total = numbers(told)
        except (PilotError, ValueError) as failed:  # a plugin may raise a JobFailed of its own
            log.warning("%s", failed)
            done, total = None, None
        return Progress(item.job.key, done, total, last_lines(end_of(place.stdout)))


def numbers(told: Any) -> tuple[Optional[int], Optional[int]]:
    """Answer the events done and ordered as plugins have told them; a server would refuse what is no number.

    Raises:
        ValueError: they are no such numbers.
    """
    if told is None:
        return None, None
    if isinstance(told, (tuple, list)) and len(told) == 2:
        done, total = told
        if _counts(done) and (total is None or _counts(total)):
            return done, total
    raise ValueError(f"payload_progress told {told!r}, not (events done, events ordered or None)")


def _counts(value: Any) -> bool:
    return type(value) is int and 0 <= value < MOST_EVENTS


class CheckLane(Component):
    """The lane for checks: one that hangs keeps no heartbeat back. What they need is imported when the first is due."""

    def __init__(self, inbox: queue.Queue[Look], budget: Budget, make: Callable[[], Checking]) -> None:
        super().__init__("checks", inbox, budget)
        self._make = make
        self._checking: Optional[Checking] = None

    def handle(self, item: Look) -> None:
        if self._checking is None:
            self._checking = self._make()
        self._checking.look(item)


class Looks:
    """One way for every look, to the lane that it is for."""

    def __init__(self, checks: queue.Queue[Look], others: queue.Queue[Look]) -> None:
        self._checks, self._others = checks, others

    def put(self, item: Look) -> None:
        """Take one look."""
        (self._checks if item.matter is Matter.CHECK else self._others).put(item)
