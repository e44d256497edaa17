"""Submitting pilots, and taking back those that wait.

A pilot's row is written before it is submitted, under a name that is used once. After a crash in between, the batch
system is asked for that name: what it has is confirmed, what it does not have is lost. Nothing is submitted twice.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from server.batch.base import BatchFailed, BatchMisconfigured, BatchSystem, Needs, Template
from server.batch.local import LocalBatch
from server.factory.launch import Launch
from server.factory.models import FactoryQueue
from server.factory.record import confirmation_returned, confirmation_used
from server.factory.stuck import SURPLUS
from server.factory.watch import places
from server.lib.texts import storable
from server.pilots import fleet
from server.pilots import logic as pilots


class Submitted(NamedTuple):
    """How many pilots the batch system took, of how many nobody knows it yet, and why it took no more."""

    taken: int = 0
    unknown: int = 0
    words: str = ""


def submit(
    row: FactoryQueue,
    system: BatchSystem,
    launch: Launch,
    count: int,
    needs: Needs,
    now: datetime,
    *,
    is_confirmed: bool = False,
) -> Submitted:
    """Submit pilots of a queue; what the batch system took is known now or in the next cycle.

    With ``is_confirmed`` somebody's confirmation is used, but not for a submission of which nothing was taken.

    Raises:
        CannotLaunch: what every pilot needs is not there; nothing was ordered.
    """
    key = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
    template = launch.template(
        key,
        row.queue,
        options=row.pilot_options,
        grace=row.grace,
        here=isinstance(system, LocalBatch),
        needs=needs,
        job_options=row.job_options,
    )
    with transaction.atomic():
        pilots.order(
            *(row.queue, row.batch_system, key, count),
            now=now,
            nodes=needs.nodes,
            cores=needs.nodes * needs.cores,
            allocation=row.allocation_id or "",
        )
        FactoryQueue.objects.filter(pk=row.pk).update(last_submission=now)
        if is_confirmed:
            confirmation_used(row, now)
    done = _hand_over(row, system, template, count, now)
    if is_confirmed and not done.taken and not done.unknown:
        confirmation_returned(row, now)
    return done


def _hand_over(row: FactoryQueue, system: BatchSystem, template: Template, count: int, now: datetime) -> Submitted:
    words = ""
    try:
        system.submit(template, count)
    except (BatchFailed, BatchMisconfigured) as error:
        words = storable(str(error)) or type(error).__name__
    try:
        # Also when it failed in the middle: what it took is ours. If it does not answer now, the next cycle asks.
        found = places(system, system.find(template.key))
    except BatchFailed as error:
        return Submitted(unknown=count, words=words or storable(str(error)) or type(error).__name__)
    missing = f"the batch system did not take it{words and ': '}{words}"
    taken = pilots.confirm(template.key, found, now=now, missing=missing)
    if words or row.refused_at:
        FactoryQueue.objects.filter(pk=row.pk).update(refused_at=now if words else None, refusal=words[:500])
    return Submitted(taken, words=words)


def cancel_surplus(
    row: FactoryQueue, system: BatchSystem, count: int, now: datetime, *, is_confirmed: bool = False
) -> int:
    """Cancel the newest pilots of a queue that wait, never one that runs; answer how many were told to end.

    With ``is_confirmed`` somebody's confirmation is used, if any was told.

    Raises:
        BatchFailed: the batch system does not answer. What waits then still is told again after a while.
    """
    rows = {job: pk for pk, job in fleet.newest_waiting(row.queue, row.batch_system, count)}
    if not rows:
        return 0
    # Noted before: whatever becomes of us or of the order, what ends by it was no failure.
    pilots.note_cancelled(list(rows.values()), SURPLUS, now=now)
    told = set(system.cancel_waiting(list(rows)))
    pilots.note_reprieved([pk for job, pk in rows.items() if job not in told])
    if is_confirmed and told:
        confirmation_used(row, now)
    return len(told)
