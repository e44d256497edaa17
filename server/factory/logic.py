"""One cycle of the factory: see how the pilots are, decide how many each queue gets, submit or cancel them.

And what people order: queues that are defined, switched on and off, and large changes that are confirmed.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction

from server.batch.base import BatchFailed, BatchMisconfigured, BatchSystem, Needs
from server.factory.chain import LOOK_AT_ENDS, BadChain, Link, decide, read_chain
from server.factory.facts import Facts, Free, Limits, Step
from server.factory.launch import CannotLaunch, Launch
from server.factory.models import FactoryConfirmation, FactoryCycle, FactoryQueue, FactorySystem, FactorySystemState
from server.factory.needs import needs_or_words
from server.factory.readings import Readings, ends_wanted, free_in, last_ends, limits_of
from server.factory.record import SAME_WISH, Record, ask_for_confirmation
from server.factory.rules.guards import safe
from server.factory.stuck import MOST_DAYS
from server.factory.submit import Submitted, cancel_surplus, submit
from server.factory.systems import LOCAL, SystemOf, UnknownSystem
from server.factory.watch import Watch, Watched
from server.lib.texts import storable
from server.pilots import fleet
from server.pilots import logic as pilots
from server.pilots import queries as pilot_queries

if TYPE_CHECKING:
    from server.pilots.models import Pilot

log = logging.getLogger(__name__)

#: A pilot's end is seen within this time, but when its batch system does not answer.
SEEN_WITHIN = timedelta(minutes=10)
#: Cycles that are kept of each queue.
KEPT_CYCLES = 500
#: Pilots whose files are brought between two signs of life.
_COLLECTED = 500
#: For so long it is kept which large changes were wanted, and who confirmed them.
KEPT_WISHES = timedelta(days=366)


@dataclass(frozen=True)
class Cycle:
    """What one cycle did over all queues."""

    submitted: int = 0
    ended: int = 0
    failed: int = 0
    cancelled: int = 0

    def __add__(self, other: Cycle) -> Cycle:
        return Cycle(
            self.submitted + other.submitted,
            self.ended + other.ended,
            self.failed + other.failed,
            self.cancelled + other.cancelled,
        )


def cycle(
    now: datetime,
    *,
    system_of: SystemOf,
    launch: Launch,
    keep: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> Cycle:
    """Go through all queues; a queue whose batch system fails does not keep the others from their pilots.

    Args:
        now: The time, aware.
        system_of: Answers the batch system of a name, for a queue.
        launch: What pilots are started with.
        keep: Called after whatever takes time: a sign of life, which may raise to end the cycle.
        clock: Seconds by which the age of facts is told.
    """
    rows = {row.queue: row for row in FactoryQueue.objects.select_related("allocation")}
    seen = Watch(now, rows, system_of, keep, clock).look()
    turn = _Turn(now, system_of, launch, seen, Readings.read(now, rows.values(), clock), Record(now), clock)
    total = Cycle(ended=seen.ended)
    try:
        for row in rows.values():
            done = turn.serve(row)
            total += done
            if done != Cycle():
                keep()
        keep()
    finally:
        turn.record.write()
    return total


@dataclass(frozen=True)
class _Turn:
    """The second half of a cycle: what was seen, and the queues served one after the other."""

    now: datetime
    system_of: SystemOf
    launch: Launch
    seen: Watched
    known: Readings
    record: Record
    clock: Callable[[], float]
    windows: dict[tuple[int, str], tuple[Free | None, str]] = field(default_factory=dict)

    def serve(self, row: FactoryQueue) -> Cycle:
        """See to one queue. One that is switched off gets no pilots, but those it has were followed."""
        failure = self.seen.failures.get((row.batch_system, row.queue))
        system = self.known.systems.get(row.batch_system)
        needs, odd = needs_or_words(row, self.known.queues.get(row.queue))
        limits = limits_of(row, needs, system)
        if failure is not None:
            facts = self.known.unanswered(row)
            self.record.note(row, facts, decide(facts, limits), words=failure)
            return Cycle(failed=1)
        if not row.enabled:
            return Cycle()
        if system is not None and not system.enabled:
            return self._refuse(row, limits, f"the batch system {system.name} is switched off")
        if odd:
            return replace(self._refuse(row, limits, odd), failed=1)
        try:
            chain = read_chain(row.rules)
        except BadChain as wrong:
            return replace(self._refuse(row, limits, f"its rules cannot be read: {wrong}"), failed=1)
        opened = self.system_of(row.batch_system, row.queue)
        facts = self._facts(row, opened, chain)
        steps = decide(facts, limits, chain)
        if any(step.number > 0 for step in steps if step.rule in LOOK_AT_ENDS):
            facts = replace(facts, ends=last_ends(row.queue, ends_wanted(limits, chain), self.now))
            steps = decide(facts, limits, chain)
        return self._act(row, opened, facts, limits, steps, needs)

    def _refuse(self, row: FactoryQueue, limits: Limits, words: str) -> Cycle:
        facts = self.known.facts(row, self.now)
        self.record.note(row, facts, decide(facts, limits, read_chain(["null"])), words=words)
        return Cycle()

    def _facts(self, row: FactoryQueue, system: BatchSystem, chain: tuple[Link, ...]) -> Facts:
        facts = self.known.facts(row, self.now)
        at = self.clock()
        asked = self.seen.asked[row.batch_system, row.queue]
        facts = replace(facts, jobs_age=round(at - self.known.at, 1), batch_age=round(at - asked, 1))
        if any(link.name == "window" for link in chain):
            free, failed = self._free_in(system, row)
            facts = replace(facts, free=free, free_failed=failed)
        return facts

    def _free_in(self, system: BatchSystem, row: FactoryQueue) -> tuple[Free | None, str]:
        """Ask a system once for all queues that ask the same of it."""
        key = id(system), json.dumps(row.job_options, sort_keys=True)
        if key not in self.windows:
            self.windows[key] = free_in(system, row)
        return self.windows[key]

    def _act(
        self,
        row: FactoryQueue,
        system: BatchSystem,
        facts: Facts,
        limits: Limits,
        steps: tuple[Step, ...],
        needs: Needs,
    ) -> Cycle:
        number, wanted = steps[-1].number, steps[-2].number
        if number != wanted:
            ask_for_confirmation(row, wanted, self.now)
        is_confirmed = bool(facts.confirmed and number == wanted != _unconfirmed(facts, limits, wanted))
        done, cancelled = Submitted(), 0
        try:
            if number > 0:
                done = submit(row, system, self.launch, number, needs, self.now, is_confirmed=is_confirmed)
            elif number < 0:
                cancelled = cancel_surplus(row, system, -number, self.now, is_confirmed=is_confirmed)
        except (BatchFailed, BatchMisconfigured, CannotLaunch) as error:
            done = Submitted(words=storable(str(error)) or type(error).__name__)
        if done.words:
            log.warning("%s: not all pilots were submitted or cancelled: %s", row.queue, done.words)
        self.known.added(row, done.taken + done.unknown, needs)
        self.record.note(row, facts, steps, submitted=done.taken, cancelled=cancelled, words=done.words)
        return Cycle(done.taken, failed=int(bool(done.words)), cancelled=cancelled)


def _unconfirmed(facts: Facts, limits: Limits, wanted: int) -> int:
    """Answer what would be done of a change that nobody had confirmed."""
    return safe(wanted, replace(facts, confirmed=0), limits)[0]


class NothingToConfirm(LookupError):
    """Nothing of a queue waits for a confirmation."""


class UnknownQueue(LookupError):
    """The factory does not serve a queue of that name."""


def find_queue(queue: str) -> FactoryQueue:
    """Answer a queue's row.

    Raises:
        UnknownQueue: there is none.
    """
    row = FactoryQueue.objects.select_related("allocation").filter(pk=queue).first()
    if row is None:
        raise UnknownQueue(f"the factory has no queue {queue}; 'compass factory show' lists them")
    return row


def switch_queue(queue: str, *, on: bool, by: str) -> FactoryQueue:
    """Let the factory submit pilots for a queue, or not any longer; those it has are followed either way.

    Raises:
        UnknownQueue: there is none.
    """
    row = find_queue(queue)
    FactoryQueue.objects.filter(pk=queue).update(enabled=on)
    row.enabled = on
    log.info("%s has switched the factory %s for %s", by, "on" if on else "off", queue)
    return row


def confirm_change(queue: str, *, by: str, now: datetime) -> FactoryConfirmation:
    """Confirm the change that a queue waits for: it may be made once, within an hour.

    Raises:
        NothingToConfirm: no change is wanted now.
    """
    fresh = FactoryConfirmation.objects.filter(queue=queue, done_at=None, confirmed_at=None)
    one = fresh.filter(latest__gt=now - timedelta(seconds=SAME_WISH)).order_by("-pk").first()
    if one is None or not fresh.filter(pk=one.pk).update(confirmed_at=now, confirmed_by=by[:100]):
        raise NothingToConfirm(f"no change of the pilots of {queue} waits for a confirmation")
    log.info("%s has confirmed a change of %d pilots for %s", by, one.change, queue)
    one.refresh_from_db()
    return one


def define_queue(
    queue: str, *, slots: int, batch_system: str = "local", pilot_options: Sequence[str] | None = None
) -> FactoryQueue:
    """Let the factory submit pilots for a queue, or change what is given here; what else an admin has set stays."""
    values: dict[str, Any] = {"slots": slots, "batch_system": batch_system}
    if pilot_options is not None:
        values["pilot_options"] = list(pilot_options)
    with transaction.atomic():
        row, _ = FactoryQueue.objects.update_or_create(queue=queue, defaults=values)
    return row


def stop_pilots(now: datetime, *, system_of: SystemOf) -> int:
    """Cancel every living pilot, and answer how many still live; call it again until none does.

    Raises:
        BatchFailed: a batch system does not answer, or cannot be opened; those of the others were cancelled.
    """
    rows = {row.queue: row for row in FactoryQueue.objects.all()}
    seen = Watch(now, rows, system_of, lambda: None, time.monotonic).look()
    failures = {key: words for key, words in seen.failures.items() if key[0] not in seen.removed}
    left, homes = 0, fleet.homes()
    for name in homes:
        living = pilot_queries.living_in(name)
        left += len(living)
        for queue in sorted(homes[name]):
            if (name, queue) not in failures:
                try:
                    system_of(name, queue).cancel([pilot.batch_id for pilot in living if pilot.queue == queue])
                except (BatchFailed, BatchMisconfigured) as error:
                    failures[name, queue] = str(error)
    if failures:
        raise BatchFailed("; ".join(sorted(set(failures.values()))))
    return left


def collect(now: datetime, *, system_of: SystemOf, keep: Callable[[], None] = lambda: None) -> int:
    """Bring the files of pilots that have ended to this machine, where a system keeps them; answer of how many.

    What a system did not give is asked for again the next time.
    """
    brought = 0
    for state in FactorySystemState.objects.all():
        ended = fleet.ended_since(state.name, (state.collected_at or now - timedelta(days=1)) - SEEN_WITHIN)
        try:
            for queue, ids in ended.items():
                for first in range(0, len(ids), _COLLECTED):
                    brought += system_of(state.name, queue).collect(ids[first : first + _COLLECTED])
                    keep()
        except UnknownSystem:
            # It was removed, and its last pilots' logs with it.
            state.delete()
        except (BatchMisconfigured, BatchFailed) as error:
            log.warning("%s: the logs of pilots were not brought: %s", state.name, error)
        else:
            FactorySystemState.objects.filter(pk=state.pk).update(collected_at=now)
    return brought


def clean(now: datetime, *, system_of: SystemOf, keep: Callable[[], None] = lambda: None, limit: int = 500) -> int:
    """Remove the files of pilots that ended long ago, and old cycles; answer how many pilots' files went.

    Also those of queues that the factory no longer has. What a system did not remove it is told to the next time.
    """
    removed, rows = 0, {row.queue: row for row in FactoryQueue.objects.all()}
    usual: int = FactoryQueue._meta.get_field("keep_files").get_default()
    for queue in sorted({*rows, *pilot_queries.queues_with_files()}):
        days = rows[queue].keep_files if queue in rows else usual
        removed += _clean_queue(queue, now - timedelta(days=min(days, MOST_DAYS)), system_of, keep, limit)
    for row in rows.values():
        kept = FactoryCycle.objects.filter(queue=row).order_by("-id").values_list("pk", flat=True)[:KEPT_CYCLES]
        FactoryCycle.objects.filter(queue=row).exclude(pk__in=list(kept)).delete()
        keep()
    FactoryConfirmation.objects.filter(latest__lt=now - KEPT_WISHES).delete()
    known = {LOCAL, *FactorySystem.objects.values_list("name", flat=True), *fleet.homes()}
    FactorySystemState.objects.exclude(name__in=known | {row.batch_system for row in rows.values()}).delete()
    return removed


def _clean_queue(queue: str, before: datetime, system_of: SystemOf, keep: Callable[[], None], limit: int) -> int:
    removed, silent = 0, set[str]()
    while old := pilot_queries.ended_before(queue, before, limit, not_in=silent):
        for name in {pilot.batch_system for pilot in old}:
            mine = [pilot for pilot in old if pilot.batch_system == name]
            if _forget(name, queue, mine, system_of):
                pilots.forget_files(mine)
                removed += len(mine)
            else:
                silent.add(name)
        keep()
    return removed


def _forget(name: str, queue: str, old: Collection[Pilot], system_of: SystemOf) -> bool:
    """Have a system remove the files of these pilots; say whether nobody has to be asked again."""
    try:
        system_of(name, queue).forget([pilot.batch_id for pilot in old])
    except UnknownSystem as error:
        folders = sorted({str(Path(pilot.directory).parent) for pilot in old})
        log.warning("%s: %s; nobody removes the files of its pilots but you: %s", queue, error, ", ".join(folders[:20]))
    except (BatchMisconfigured, BatchFailed) as error:
        log.warning("%s: files of pilots of %s stay until the next time: %s", queue, name, error)
        return False
    return True
