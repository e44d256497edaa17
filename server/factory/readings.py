"""The facts of all queues, read in a number of statements that does not depend on how many pilots there are."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from server.batch.base import BatchFailed, BatchMisconfigured, BatchSystem, Needs
from server.factory.chain import Link
from server.factory.facts import End, Facts, Free, Limits
from server.factory.models import FactoryAllocation, FactoryConfirmation, FactoryQueue, FactorySystem
from server.factory.needs import needs_or_words
from server.lib.remembered import Remembered
from server.lib.texts import storable
from server.pandaconfig.queries import QueueLimits, limits_of_queues
from server.pilots import allocations, fleet
from server.pilots.fleet import Fleet, Fleets
from server.pilots.queries import Use, use_by_queue
from server.taskbuffer.queries import ready_cores_by_queue

#: A pilot asks for work within this time of its start, on a slow node with a bundle to fetch; until then it is counted
#: as on its way to a job. One that asks and gets none ends, or asks again: then it is on its way, too.
ASKS_WITHIN = timedelta(seconds=60)
#: A confirmation is good for this long.
CONFIRMED_FOR = timedelta(hours=1)
#: Ends that are looked at by the rule that wants a share of them.
THROTTLED = 100


def _uses(_: None) -> dict[str, Use]:
    return use_by_queue(first=(timezone.now() - timedelta(days=1)).date())


def _running(allocation: tuple[str, datetime]) -> float:
    name, since = allocation
    return allocations.running_hours(name, since=since, now=timezone.now())


def _earlier(allocation: tuple[str, datetime]) -> float:
    return allocations.earlier_hours(allocation[0], since=allocation[1])


#: What is dear to count is counted each minute.
USES: Remembered[None, dict[str, Use]] = Remembered(_uses, seconds=60)
RUNNING: Remembered[tuple[str, datetime], float] = Remembered(_running, seconds=60)
EARLIER: Remembered[tuple[str, datetime], float] = Remembered(_earlier, seconds=60)


@dataclass
class Readings:
    """What was read of all queues, and when, by the clock of the ages of facts.

    ``promised`` are the node-hours that the living pilots of each allocation take if each runs for its wall time.
    """

    at: float
    jobs: Mapping[str, Mapping[int, int]]
    queues: Mapping[str, QueueLimits]
    fleets: Fleets
    uses: Mapping[str, Use]
    confirmed: Mapping[str, int]
    systems: Mapping[str, FactorySystem]
    promised: defaultdict[str, float]
    ended: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(
        cls, now: datetime, rows: Iterable[FactoryQueue] = (), clock: Callable[[], float] = time.monotonic
    ) -> Readings:
        """Read what is known now of these queues."""
        open_ones = FactoryConfirmation.objects.filter(done_at=None, confirmed_at__gt=now - CONFIRMED_FOR)
        at, jobs, queues = clock(), ready_cores_by_queue(), limits_of_queues()
        fleets = fleet.fleets(started_after=now - ASKS_WITHIN)
        return cls(
            at=at,
            jobs=jobs,
            queues=queues,
            fleets=fleets,
            uses=USES.of(None),
            confirmed=dict(open_ones.order_by("pk").values_list("queue_id", "change")),
            systems={row.name: row for row in FactorySystem.objects.all()},
            promised=_promised(rows, queues, fleets),
        )

    def added(self, row: FactoryQueue, count: int, needs: Needs) -> None:
        """Count pilots that were submitted since."""
        self.fleets.systems[row.batch_system] = self.fleets.systems.get(row.batch_system, 0) + count
        if row.allocation_id:
            self.promised[row.allocation_id] += _hours(count * needs.nodes, needs)

    def fleet(self, queue: str) -> Fleet:
        return self.fleets.queues.get(queue, Fleet())

    def status(self, queue: str) -> str | None:
        """Answer a queue's status; none when schedconfig does not have the queue."""
        found = self.queues.get(queue)
        return None if found is None else found.status

    def activated(self, queue: str) -> int:
        return sum(self.jobs.get(queue, {}).values())

    def unanswered(self, row: FactoryQueue) -> Facts:
        """Answer what is known of a queue whose batch system did not answer."""
        return Facts(self.status(row.queue), self.activated(row.queue), waiting=None, running=None)

    def facts(self, row: FactoryQueue, now: datetime) -> Facts:
        """Answer what is known of a queue, but for how its last pilots ended."""
        mine, use = self.fleet(row.queue), self.uses.get(row.queue)
        last = row.last_submission
        return Facts(
            status=self.status(row.queue),
            activated=self.activated(row.queue),
            waiting=mine.waiting,
            running=mine.running,
            jobless=mine.jobless,
            idle=None if last is None else round((now - last).total_seconds(), 1),
            retiring=mine.retiring,
            job_cores=tuple(sorted(self.jobs.get(row.queue, {}).items())),
            on_the_way_cores=mine.on_the_way_cores,
            nodes=mine.nodes,
            in_system=self.fleets.systems.get(row.batch_system, 0),
            in_factory=sum(self.fleets.systems.values()),
            hours_left=None if row.allocation is None else self._hours_left(row.allocation),
            jobless_share=use.jobless / use.pilots if use and use.pilots else None,
            confirmed=self.confirmed.get(row.queue, 0),
            refusal=row.refusal,
            refused_ago=None if row.refused_at is None else round((now - row.refused_at).total_seconds(), 1),
        )

    def _hours_left(self, granted: FactoryAllocation) -> float:
        """Answer what of an allocation no living pilot may still use.

        Asked after the living were counted: what ends in between is counted twice for a cycle, and not left out.
        """
        key = granted.name, granted.since
        if granted.name not in self.ended:
            self.ended[granted.name] = allocations.ended_hours(
                granted.name, since=granted.since, earlier=EARLIER.of(key)
            )
        return granted.node_hours - self.ended[granted.name] - max(RUNNING.of(key), self.promised[granted.name])


def _promised(
    rows: Iterable[FactoryQueue], queues: Mapping[str, QueueLimits], fleets: Fleets
) -> defaultdict[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        if row.allocation_id:
            needs, _ = needs_or_words(row, queues.get(row.queue))
            found[row.allocation_id] += _hours(fleets.queues.get(row.queue, Fleet()).nodes, needs)
    return found


def _hours(nodes: int, needs: Needs) -> float:
    return nodes * (needs.wall_time or 0) / 3600


def ends_wanted(limits: Limits, chain: tuple[Link, ...]) -> int:
    """Answer how many ends of pilots the rules of a chain look at."""
    names = {link.name for link in chain}
    wanted = limits.black_hole_pilots if "black_hole" in names else 0
    return max(wanted, THROTTLED) if "throttle" in names else wanted


def last_ends(queue: str, count: int, now: datetime) -> tuple[End, ...]:
    """Answer how the last pilots of a queue ended, latest first."""
    ends = fleet.last_ends(queue, count)
    return tuple(End(one.exit_code, one.seconds, (now - one.at).total_seconds()) for one in ends)


def free_in(system: BatchSystem, row: FactoryQueue) -> tuple[Free | None, str]:
    """Answer what could start at once, or why that is not known."""
    try:
        found = system.window(row.job_options)
    except (BatchFailed, BatchMisconfigured) as error:
        return None, storable(str(error)) or type(error).__name__
    return (None if found is None else Free(found.nodes, found.seconds)), ""


def limits_of(row: FactoryQueue, needs: Needs | None = None, system: FactorySystem | None = None) -> Limits:
    """Answer what the admin allows a queue, and what each of its pilots is."""
    wanted = needs or Needs()
    return Limits(
        slots=row.slots,
        max_waiting=row.max_waiting,
        max_per_cycle=row.max_per_cycle,
        black_hole_pilots=row.black_hole_pilots,
        black_hole_seconds=row.black_hole_seconds,
        black_hole_pause=row.black_hole_pause,
        pilot_nodes=wanted.nodes,
        pilot_cores=wanted.nodes * wanted.cores,
        pilot_seconds=wanted.wall_time,
        by_cores=wanted.whole_nodes or wanted.nodes > 1,
        safe_pilots=row.safe_pilots,
        safe_percent=row.safe_percent,
        system_most=system.max_pilots if system else None,
    )
