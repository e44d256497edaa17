"""The lane of supercomputers: gathers payloads, has them launched together, and brings back what became of each."""

from __future__ import annotations

import logging
import queue
import time
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.contract.codes import ErrorCode
from pilot.control import news
from pilot.control.component import Budget, Component
from pilot.control.gathering import Gathered, Gathering, Handed, Left, Moved, Reported, Stop, Tick, of_report, told
from pilot.control.lanes import Occupied, Tell, problem_of
from pilot.control.running import Brought
from pilot.errors import PilotError
from pilot.hpc import record
from pilot.hpc.allocation import Allocation, Found, Payload
from pilot.hpc.launching import Launching
from pilot.hpc.values import BatchState
from pilot.job import Phase, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pilot.control.agent import Parts
    from pilot.control.news import Key, Work
    from pilot.control.payload import PayloadControl
    from pilot.settings.hpc import Hpc

log = logging.getLogger(__name__)

#: A batch system that has not known an allocation for so long, in seconds, will not know it any more.
UNKNOWN_FOR = 600.0
#: In the last of these a payload thread prepares the payload, which may take minutes.
_ON_THE_WAY = frozenset({Phase.ACCEPTED, Phase.STAGING_IN, Phase.RUNNING})
_LOST = Problem(ErrorCode.PILOT_LOST, "its pilot died before the job's allocation had been started")


def lane_of(
    parts: Parts,
    occupied: Occupied,
    payloads: PayloadControl,
    again: Callable[[Work], None],
    tell: Tell,
    left: Callable[[], float],
) -> GatheringLane:
    """Have payloads gathered by a lane of their own; ``left`` answers the seconds that the pilot has."""
    settings = parts.settings
    way = Gathering(queue.Queue(), occupied, parts.own)
    payloads.gather_by(way)
    launching = Launching(settings.hpc, parts.plugins, parts.own, parts.environment, settings.payload.grace, left)
    return GatheringLane(way, Budget(settings.log.breakages), tell, again, launching)


class GatheringLane(Component):
    """Gathers, launches and follows. ``again`` puts a job into the payload lane, ``launching`` starts allocations."""

    def __init__(
        self,
        way: Gathering,
        budget: Budget,
        tell: Tell,
        again: Callable[[Work], None],
        launching: Launching,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("gathering", way.inbox, budget)
        self.way, self._tell, self._again, self._launching, self._clock = way, tell, again, launching, clock
        self._handed: dict[Key, Handed] = {}
        self._ready: dict[Key, Payload] = {}
        self._coming: set[Key] = set()
        self._early: set[Key] = set()  # to be stopped, and not here yet
        self._first = self._last = 0.0
        self._following: dict[Path, Following] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            Gathered: self._gathered,
            Left: self._left,
            Stop: self._stop,
            Moved: self._moved,
            Reported: lambda item: self._collect(item.allocation, item.lines),
            Tick: lambda item: None,
        }

    def take(self) -> Any:
        """Wait for something to happen, or until it is time to look."""
        times = [following.due for following in self._following.values()]
        if self._ready and self._room():
            times.append(self._launch_at())
        try:
            return self.inbox.get(timeout=max(0.0, min(times) - self._clock()) if times else None)
        except queue.Empty:
            return Tick()

    def handle(self, item: Any) -> None:
        self._handlers[type(item)](item)
        for following in list(self._following.values()):
            self._follow(following)
        if self._ready and self._room() and self._clock() >= self._launch_at():
            self._launch()

    def broke(self, item: Any, error: Exception) -> None:
        """Give back what is not in an allocation: nobody else will."""
        words = Problem(ErrorCode.INTERNAL_ERROR, f"gathering broke: {type(error).__name__}: {error}")
        held = {key for following in self._following.values() for key in following.allocation.keys}
        self._ready.clear()
        for key in [key for key in self._handed if key not in held]:
            self._bring(key, Brought(problem=words))

    # What comes in

    def _gathered(self, item: Gathered) -> None:
        key = item.payload.key
        self._launching.heed(item.handed.work.site.queue)
        self._handed[key] = item.handed
        self._coming.discard(key)
        if key in self._early:
            return self._bring(key, Brought(problem=_stopped()))
        self._last = self._clock()
        self._first = self._first if self._ready else self._last
        self._ready[key] = item.payload
        return self._say([key], "gathering", "", 0)

    def _left(self, item: Left) -> None:
        key, folder = item.handed.work.key, item.note.folder
        self._handed[key] = item.handed
        # A report that came while the job was on its way here was collected with others, when nobody waited for it.
        if (found := record.report_of(folder, item.note.line, key)) is not None:
            written = record.read(folder)
            number, cores = (written.number, written.cores) if written else ("", 0)
            return self._bring(key, of_report(found, item.handed.place, number, cores, item.handed))
        if folder not in self._following:
            allocation = self._launching.resume(folder, self._poked)
            if allocation is None:
                return self._bring(key, Brought(problem=_LOST))
            self._follow_from_now(allocation)
        allocation = self._following[folder].allocation
        if not allocation.holds(key):  # the payload may have forged the note
            return self._bring(key, Brought(problem=_LOST))
        if key in self._early:
            allocation.stop(key)
        return None

    def _stop(self, item: Stop) -> None:
        if self._ready.pop(item.key, None) is not None:
            return self._bring(item.key, Brought(problem=_stopped()))
        for following in self._following.values():
            if following.allocation.holds(item.key):
                return following.allocation.stop(item.key)
        self._early.add(item.key)
        return None

    def _moved(self, item: Moved) -> None:
        if item.phase in _ON_THE_WAY:
            self._coming.add(item.key)
        else:
            self._coming.discard(item.key)
        if item.phase in (Phase.DONE, Phase.FAILED):
            self._early.discard(item.key)

    def _poked(self, allocation: Allocation, lines: Sequence[int]) -> None:
        self.inbox.put(Reported(allocation, lines))

    # Launching

    def _room(self) -> bool:
        return len(self._following) < self._settings.allocations

    @property
    def _settings(self) -> Hpc:
        return self._launching.settings

    def _launch_at(self) -> float:
        """Answer when those that are ready go: when they are enough, when all are there, or when it was long enough."""
        if len(self._ready) >= self._settings.jobs:
            return 0.0
        latest = self._first + self._settings.gather
        return latest if self._coming else min(latest, self._last + self._settings.quiet)

    def _launch(self) -> None:
        payloads = list(self._ready.values())[: self._settings.jobs]
        site = self._handed[payloads[0].key].work.site
        try:
            allocation = self._launching.begin(payloads, site.queue, self._poked, lambda: self.inbox.put(Tick()))
        except PilotError as failed:
            for payload in payloads:
                del self._ready[payload.key]
                self._bring(payload.key, Brought(problem=problem_of(failed)))
            return
        for key in allocation.keys:
            del self._ready[key]
        self._first = self._clock()  # of those that have to wait for the next one
        self._follow_from_now(allocation)

    # Following

    def _follow_from_now(self, allocation: Allocation) -> None:
        now = self._clock()
        self._following[allocation.folder] = Following(allocation, now, now)

    def _follow(self, following: Following) -> None:
        """Look for reports, and how the allocation is, when it is time for either."""
        allocation, now = following.allocation, self._clock()
        following.now = now
        if now >= following.look_at:
            following.look_at = now + self._settings.look
            self._collect(allocation)
        if now >= following.ask_at or (allocation.started is not None and allocation.started.is_here):
            following.ask_at = now + self._settings.poll
            if not following.ended:  # in time nobody would know any more how it has
                self._ask(following)
                allocation.insist()
        if keys := self._lost(following):
            if not following.ended:
                allocation.cancel()
            for found in allocation.give_up(keys, allocation.lost()):
                self._found(allocation, found)
        if allocation.over:
            log.info("allocation %s is over", allocation.record.name)
            allocation.close()
            del self._following[allocation.folder]

    def _collect(self, allocation: Allocation, lines: Optional[Sequence[int]] = None) -> None:
        for found in allocation.collect(lines):
            self._found(allocation, found)

    def _ask(self, following: Following) -> None:
        allocation = following.allocation
        state = self._launching.state(allocation)
        if state is not following.state:
            following.state, following.since = state, self._clock()
            log.info("allocation %s is %s: %s", allocation.record.name, state.value, allocation.status.words)
            self._say(allocation.keys, state.value, allocation.record.number, allocation.record.cores)
            if state.over:
                following.look_at = self._clock()

    def _lost(self, following: Following) -> Sequence[Key]:
        """Say which payloads without a report will have none."""
        allocation, chosen, passed = following.allocation, self._settings, following.now - following.since
        patience = {BatchState.HELD: chosen.held, BatchState.UNKNOWN: UNKNOWN_FOR, BatchState.RESCHEDULED: 0.0}
        if following.ended:
            # What the last ranks have written may take a while to be seen from here; who waits for it is another thing.
            here = allocation.started is not None and allocation.started.is_here
            alone = here and chosen.launcher == "local" and not chosen.resource
            if passed < (chosen.look if alone else chosen.late):
                return allocation.stopped if passed >= chosen.look else ()
        elif following.state not in patience or passed < patience[following.state]:
            return ()
        return allocation.keys

    def _found(self, allocation: Allocation, found: Found) -> None:
        handed = self._handed.get(found.key)
        if handed is None:
            return
        number, cores = allocation.record.number, allocation.record.cores
        if found.report is not None:
            self._bring(found.key, of_report(found.report, handed.place, number, cores, handed))
        else:
            figures = told(allocation.status.state.value, number, cores)
            self._bring(found.key, Brought(problem=found.problem, metrics=figures))

    def _bring(self, key: Key, brought: Brought) -> None:
        work = self._handed.pop(key).work
        self.way.bring(key, brought)
        self._again(work)

    def _say(self, keys: Sequence[Key], status: str, number: str, cores: int) -> None:
        """Have it told in the jobs' reports how their allocation is; at once when that is known to somebody."""
        for key in keys:
            if key in self._handed:
                self._tell(news.Measured(key, metrics=told(status, number, cores)))
                if number:
                    self._tell(news.Progress(key))


class Following:
    """What is kept of an allocation from look to look; times are on the lane's clock."""

    def __init__(self, allocation: Allocation, look_at: float, ask_at: float) -> None:
        self.allocation, self.look_at, self.ask_at = allocation, look_at, ask_at
        self.state: Optional[BatchState] = None
        self.now = self.since = ask_at

    @property
    def ended(self) -> bool:
        """Whether nothing of it can run any more."""
        return self.state is not None and self.state.over

    @property
    def due(self) -> float:
        """When to look next."""
        return min(self.look_at, self.ask_at)


def _stopped() -> Problem:
    return Problem(ErrorCode.ORDERED_STOP, "the job was stopped before its payload began")
