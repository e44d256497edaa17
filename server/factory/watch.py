"""The first half of a cycle: each batch system is asked once how all its pilots are, and what is stuck is ended.

Nothing is concluded from a system that does not answer, and it does not keep the others from being asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

from server.batch.base import BatchFailed, BatchJob, BatchMisconfigured, BatchState, BatchSystem
from server.factory.models import FactoryQueue, FactorySystemState
from server.factory.stuck import MOST_DAYS, why_to_end
from server.factory.systems import SystemOf, UnknownSystem
from server.lib.texts import storable
from server.pilots import fleet
from server.pilots import logic as pilots
from server.pilots import queries as pilot_queries
from server.pilots.fleet import Troubled, Unconfirmed
from server.pilots.logic import Place, Sighting
from server.pilots.queries import LivingPilot
from server.pilots.states import PilotState

log = logging.getLogger(__name__)

NEVER_SUBMITTED = "the factory was stopped before it was submitted"

_STATES = {
    BatchState.QUEUED: PilotState.QUEUED,
    BatchState.RUNNING: PilotState.RUNNING,
    BatchState.HELD: PilotState.HELD,
    BatchState.DONE: PilotState.DONE,
    BatchState.LOST: PilotState.LOST,
}


@dataclass
class Watched:
    """What came of it: pilots that ended, and why systems did not answer, by system and queue.

    ``asked`` is when each was asked last, by the clock of the ages of facts; ``removed`` are those that are not there.
    """

    ended: int = 0
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: dict[tuple[str, str], float] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)


@dataclass
class Group:
    """One open system, and the queues that have pilots in it."""

    system: BatchSystem
    queues: set[str] = field(default_factory=set)
    failure: str = ""


@dataclass(frozen=True)
class Watch:
    """One look at all systems."""

    now: datetime
    queues: Mapping[str, FactoryQueue]
    system_of: SystemOf
    keep: Callable[[], None]
    clock: Callable[[], float]

    def look(self) -> Watched:
        """Ask each system once, write what it says, and end what is stuck."""
        seen, names = Watched(), self._names()
        groups = {name: self._open(name, queues, seen) for name, queues in names.items()}
        left: dict[str, list[Unconfirmed]] = {}
        for one in fleet.unconfirmed():
            left.setdefault(one.batch_system, []).append(one)
        for name, opened in _slow_ones_first(groups):
            self._ask(name, opened, left.get(name, []), seen)
        self._end_stuck(groups)
        return seen

    def _names(self) -> dict[str, set[str]]:
        """Answer all systems with the queues that name them, or have pilots in them."""
        names = fleet.homes()
        for row in self.queues.values():
            names.setdefault(row.batch_system, set()).add(row.queue)
        return names

    def _open(self, name: str, queues: Collection[str], seen: Watched) -> list[Group]:
        groups: dict[int, Group] = {}
        for queue in sorted(queues):
            try:
                system = self.system_of(name, queue)
            except UnknownSystem as unknown:
                seen.failures[name, queue] = str(unknown)
                seen.removed.add(name)
            except BatchMisconfigured as wrong:
                log.warning("%s: %s", queue, wrong)
                seen.failures[name, queue] = storable(str(wrong))
            else:
                groups.setdefault(id(system), Group(system)).queues.add(queue)
        return list(groups.values())

    def _ask(self, name: str, groups: Sequence[Group], left: Sequence[Unconfirmed], seen: Watched) -> None:
        begun = self.clock()
        if name in seen.removed:
            seen.ended += lose_all(name, self.now)
            return
        for group in groups:
            with _failing(group):
                self._confirm(group, [one for one in left if one.queue in group.queues])
        living = pilot_queries.living_in(name)
        by_queue = _by_queue(living)
        for group in groups:
            # Those of queues for which it could not be opened are nobody's to be asked for.
            if not group.failure:
                with _failing(group):
                    mine = chain.from_iterable(by_queue.get(queue, ()) for queue in group.queues)
                    seen.ended += self._observe(group.system, list(mine))
            for queue in group.queues:
                seen.asked[name, queue] = self.clock()
                if group.failure:
                    seen.failures[name, queue] = group.failure
            self.keep()
        self._note_state(name, groups, len(living), self.clock() - begun)

    def _confirm(self, group: Group, left: Sequence[Unconfirmed]) -> None:
        """Find out what a system has of submissions in whose middle the factory was stopped."""
        for one in left:
            found = places(group.system, group.system.find(one.submission))
            pilots.confirm(one.submission, found, now=self.now, missing=NEVER_SUBMITTED)

    def _observe(self, system: BatchSystem, living: Sequence[LivingPilot]) -> int:
        found = system.status([pilot.batch_id for pilot in living])
        # Of what a system passes over nothing is concluded.
        news = [(pilot, _sighting(found[pilot.batch_id])) for pilot in living if pilot.batch_id in found]
        moved = pilots.observe_many(news, now=self.now)
        lost = [pilot.batch_id for pilot, sighting in moved if sighting.state is PilotState.LOST]
        held = [pilot.pk for pilot, sighting in moved if sighting.state is PilotState.HELD]
        if held:
            pilots.note_held(held, now=self.now)
        if lost:
            # What nobody watches any longer may still run.
            system.cancel(lost)
        return sum(sighting.state in (PilotState.DONE, PilotState.LOST) for _, sighting in moved)

    def _note_state(self, name: str, groups: Sequence[Group], count: int, seconds: float) -> None:
        words = next((group.failure for group in groups if group.failure), "")
        values = {"asked_at": self.now, "pilots": count, "words": words}
        if not words:
            values |= {"answered_at": self.now, "seconds": seconds}
        FactorySystemState.objects.update_or_create(name=name, defaults=values)

    def _end_stuck(self, groups: Mapping[str, Sequence[Group]]) -> None:
        """Cancel pilots that are held or wait for too long, or whose queue has gone; none of them runs."""
        days = min((min(row.start_days, MOST_DAYS) for row in self.queues.values()), default=0)
        found = fleet.troubled(submitted_before=self.now - timedelta(days=days), not_of=self.queues)
        by_home: dict[tuple[str, str], list[Troubled]] = {}
        for one in found:
            by_home.setdefault((one.batch_system, one.queue), []).append(one)
        for name, opened in groups.items():
            for group in opened:
                stuck = [*chain.from_iterable(by_home.get((name, queue), ()) for queue in group.queues)]
                if stuck and not group.failure:
                    with _failing(group):
                        self._end(group.system, stuck)

    def _end(self, system: BatchSystem, stuck: Sequence[Troubled]) -> None:
        running = [one.pk for one in stuck if one.cancelled_at and one.state == PilotState.RUNNING]
        if running:
            pilots.note_reprieved(running)
        pilots.note_held(
            [one.pk for one in stuck if one.state == PilotState.HELD and one.held_at is None], now=self.now
        )
        reasons: dict[str, list[Troubled]] = {}
        for one in stuck:
            if why := why_to_end(one, self.queues.get(one.queue), self.now):
                reasons.setdefault(why, []).append(one)
        for why, ones in reasons.items():
            log.info("%d pilots are cancelled: %s", len(ones), why)
            pilots.note_cancelled([one.pk for one in ones], why, now=self.now)
        if reasons:
            system.cancel_waiting([one.batch_id for ones in reasons.values() for one in ones])


@contextmanager
def _failing(group: Group) -> Iterator[None]:
    """Keep a system that does not answer from ending the cycle; its words are kept."""
    try:
        yield
    except (BatchFailed, BatchMisconfigured) as error:
        log.warning("%s: the batch system does not answer: %s", ", ".join(sorted(group.queues)[:5]), error)
        group.failure = storable(str(error)) or type(error).__name__


def _by_queue(living: Iterable[LivingPilot]) -> Mapping[str, list[LivingPilot]]:
    found: dict[str, list[LivingPilot]] = {}
    for pilot in living:
        found.setdefault(pilot.queue, []).append(pilot)
    return found


def _sighting(job: BatchJob) -> Sighting:
    words, node = storable(job.words), storable(job.node)[:128]
    return Sighting(_STATES[job.state], job.exit_status, job.started, job.ended, words, node)


def _slow_ones_first(groups: Mapping[str, list[Group]]) -> list[tuple[str, list[Group]]]:
    """Answer those first that were silent or slow the last time: what is said by the others is then still fresh."""
    states = {state.name: (bool(state.words), state.seconds) for state in FactorySystemState.objects.all()}
    return sorted(groups.items(), key=lambda item: states.get(item[0], (False, 0.0)), reverse=True)


def places(system: BatchSystem, ids: Mapping[int, str]) -> dict[int, Place]:
    """Answer where the pilots of a submission are, by their numbers."""
    return {number: Place(job, str(system.directory(job))) for number, job in ids.items()}


def lose_all(name: str, now: datetime) -> int:
    """Give up the pilots of a batch system that an admin has removed; answer how many there were."""
    words = f"its batch system {name} was removed"
    for one in fleet.unconfirmed():
        if one.batch_system == name:
            pilots.confirm(one.submission, {}, now=now, missing=words)
    lost = Sighting(PilotState.LOST, words=words)
    return len(pilots.observe_many([(pilot, lost) for pilot in pilot_queries.living_in(name)], now=now))
