"""One cycle of the factory: see how the pilots are, decide how many each queue gets, submit them.

A pilot's row is written before it is submitted, under a name that is used once. After a crash in between, the batch
system is asked for that name: what it has is confirmed, what it does not have is lost. Nothing is submitted twice.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from server.batch.base import BatchFailed, BatchJob, BatchState, BatchSystem
from server.batch.local import LocalBatch
from server.factory.launch import CannotLaunch, Launch
from server.factory.models import FactoryCycle, FactoryQueue
from server.factory.rules import End, Facts, Limits, Step, decide
from server.pandaconfig.queries import UnknownQueue, queue_status
from server.pilots import logic as pilots
from server.pilots import queries as pilot_queries
from server.pilots.logic import Place, Sighting
from server.pilots.states import PilotState
from server.taskbuffer.queries import ready_by_queue

log = logging.getLogger(__name__)

#: A pilot asks for work within this time of its start; until then it is counted as on its way to a job.
ASKS_WITHIN = timedelta(seconds=3)
#: Cycles that are kept of each queue.
KEPT_CYCLES = 500
NEVER_SUBMITTED = "the factory was stopped before it was submitted"

_STATES = {
    BatchState.QUEUED: PilotState.QUEUED,
    BatchState.RUNNING: PilotState.RUNNING,
    BatchState.HELD: PilotState.HELD,
    BatchState.DONE: PilotState.DONE,
    BatchState.LOST: PilotState.LOST,
}

SystemOf = Callable[[FactoryQueue], BatchSystem]


@dataclass(frozen=True)
class Cycle:
    """What one cycle did over all queues."""

    submitted: int = 0
    ended: int = 0
    failed: int = 0

    def __add__(self, other: Cycle) -> Cycle:
        return Cycle(self.submitted + other.submitted, self.ended + other.ended, self.failed + other.failed)


def cycle(now: datetime, *, system_of: SystemOf, launch: Launch, keep: Callable[[], None] = lambda: None) -> Cycle:
    """Go through all queues; a queue whose batch system fails does not keep the others from their pilots.

    Args:
        now: The time, aware.
        system_of: Answers the batch system of a queue.
        launch: What pilots are started with.
        keep: Called between queues: a sign of life, which may raise to end the cycle.
    """
    activated: Mapping[str, int] = ready_by_queue()
    total = Cycle()
    for row in FactoryQueue.objects.all():
        total += _serve(row, system_of(row), launch, activated.get(row.queue, 0), now)
        keep()
    return total


def _serve(row: FactoryQueue, system: BatchSystem, launch: Launch, activated: int, now: datetime) -> Cycle:
    """See to one queue. One that is switched off gets no pilots, but those it has are followed to their end."""
    try:
        ended = refresh(row, system, now)
    except BatchFailed as error:
        log.warning("%s: the batch system %s does not answer: %s", row.queue, system.name, error)
        facts = Facts(_status(row.queue), activated, waiting=None, running=None)
        _record(row, facts, decide(facts, limits_of(row)), 0, str(error), now)
        return Cycle(failed=1)
    if not row.enabled:
        return Cycle(ended=ended)
    facts = gather(row.queue, activated, row.black_hole_pilots, now)
    steps = decide(facts, limits_of(row))
    submitted, words = 0, ""
    if steps[-1].number:
        try:
            submitted = _submit(row, system, launch, steps[-1].number, now)
        except (BatchFailed, CannotLaunch) as error:
            log.warning("%s: no pilots submitted: %s", row.queue, error)
            words = str(error)
    _record(row, facts, steps, submitted, words, now)
    return Cycle(submitted, ended, failed=int(bool(words)))


def refresh(row: FactoryQueue, system: BatchSystem, now: datetime) -> int:
    """Bring the rows of a queue's living pilots up to date; answer how many have ended.

    Raises:
        BatchFailed: the batch system does not answer; nothing was concluded.
    """
    for submission in pilot_queries.unconfirmed(row.queue):
        pilots.confirm(submission, _places(system, system.find(submission)), now=now, missing=NEVER_SUBMITTED)
    living = [pilot for pilot in pilot_queries.living(row.queue) if pilot.batch_system == system.name]
    found = system.status([pilot.batch_id for pilot in living])
    ended = 0
    for pilot in living:
        seen = _sighting(found[pilot.batch_id])
        if pilots.observe(pilot, seen, now=now) and seen.state in (PilotState.DONE, PilotState.LOST):
            ended += 1
            if seen.state is PilotState.LOST:
                # What nobody watches any longer may still run.
                system.cancel([pilot.batch_id])
    return ended


def _sighting(job: BatchJob) -> Sighting:
    return Sighting(_STATES[job.state], job.exit_status, job.started, job.ended, job.words)


def _places(system: BatchSystem, ids: Mapping[int, str]) -> dict[int, Place]:
    return {number: Place(job, str(system.directory(job))) for number, job in ids.items()}


def gather(queue: str, activated: int, ends: int, now: datetime) -> Facts:
    """Collect what the rules ask for."""
    counts = pilot_queries.counts(queue, started_after=now - ASKS_WITHIN)
    last = pilot_queries.last_submission(queue)
    return Facts(
        status=_status(queue),
        activated=activated,
        waiting=counts.waiting,
        running=counts.running,
        jobless=counts.jobless,
        ends=[End(end.exit_code, end.seconds) for end in pilot_queries.last_ends(queue, ends)],
        idle=None if last is None else (now - last).total_seconds(),
    )


def _status(queue: str) -> str | None:
    try:
        return queue_status(queue)
    except UnknownQueue:
        return None


def limits_of(row: FactoryQueue) -> Limits:
    """Answer what the admin allows a queue."""
    return Limits(
        row.slots,
        row.max_waiting,
        row.max_per_cycle,
        row.black_hole_pilots,
        row.black_hole_seconds,
        row.black_hole_pause,
    )


def _submit(row: FactoryQueue, system: BatchSystem, launch: Launch, count: int, now: datetime) -> int:
    key = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
    here = system.name == LocalBatch.name
    template = launch.template(key, row.queue, options=row.pilot_options, grace=row.grace, here=here)
    pilots.order(row.queue, system.name, key, count, now=now)
    try:
        system.submit(template, count)
    finally:
        # Also when it failed in the middle: what it took is ours. If it does not answer now, the next cycle asks.
        places = _places(system, system.find(key))
        confirmed = pilots.confirm(key, places, now=now, missing="the batch system did not take it")
    return confirmed


def _record(
    row: FactoryQueue, facts: Facts, steps: tuple[Step, ...], submitted: int, words: str, now: datetime
) -> None:
    """Write what was decided; the same outcome again prolongs its line."""
    trace = [asdict(step) for step in steps]
    outcome = {
        "activated": facts.activated,
        "waiting": facts.waiting,
        "running": facts.running,
        "number": steps[-1].number,
        "submitted": submitted,
        "trace": trace,
        "words": words,
    }
    last = FactoryCycle.objects.filter(queue=row).order_by("-id").first()
    if last is not None and not submitted and all(getattr(last, name) == value for name, value in outcome.items()):
        FactoryCycle.objects.filter(pk=last.pk).update(latest=now, times=last.times + 1)
    else:
        FactoryCycle.objects.create(queue=row, began=now, latest=now, **outcome)


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
        BatchFailed: a batch system does not answer.
    """
    left = 0
    for row in FactoryQueue.objects.all():
        system = system_of(row)
        refresh(row, system, now)
        living = [pilot for pilot in pilot_queries.living(row.queue) if pilot.batch_system == system.name]
        system.cancel([pilot.batch_id for pilot in living])
        left += len(living)
    return left


def clean(now: datetime, *, system_of: SystemOf, keep: Callable[[], None] = lambda: None, limit: int = 500) -> int:
    """Remove the files of pilots that ended long ago, and old cycles; answer how many pilots' files went."""
    removed = 0
    for row in FactoryQueue.objects.all():
        system, before = system_of(row), now - timedelta(days=row.keep_files)
        while old := pilot_queries.ended_before(row.queue, before, limit):
            system.forget([pilot.batch_id for pilot in old])
            pilots.forget_files(old)
            removed += len(old)
            keep()
        kept = FactoryCycle.objects.filter(queue=row).order_by("-id").values_list("pk", flat=True)[:KEPT_CYCLES]
        FactoryCycle.objects.filter(queue=row).exclude(pk__in=list(kept)).delete()
    return removed
