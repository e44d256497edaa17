"""Submitting pilots, and taking back those that wait.

A pilot's row is written before it is submitted, under a name that is used once. After a crash in between, the batch
system is asked for that name: what it has is confirmed, what it does not have is lost. Nothing is submitted twice.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from django.db import transaction

from server.batch.base import BatchSystem, Needs
from server.batch.local import LocalBatch
from server.factory.launch import Launch
from server.factory.models import FactoryQueue
from server.factory.stuck import SURPLUS
from server.factory.watch import places
from server.pilots import fleet
from server.pilots import logic as pilots


def submit(row: FactoryQueue, system: BatchSystem, launch: Launch, count: int, needs: Needs, now: datetime) -> int:
    """Submit pilots of a queue; answer how many the batch system took.

    Raises:
        CannotLaunch: what every pilot needs is not there; nothing was ordered.
        BatchFailed: the batch system refused, or did not answer; what it took is known, now or in the next cycle.
        BatchMisconfigured: the queue asks for what the batch system does not have.
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
    try:
        system.submit(template, count)
    finally:
        # Also when it failed in the middle: what it took is ours. If it does not answer now, the next cycle asks.
        found = places(system, system.find(key))
        confirmed = pilots.confirm(key, found, now=now, missing="the batch system did not take it")
    return confirmed


def cancel_surplus(row: FactoryQueue, system: BatchSystem, count: int, now: datetime) -> int:
    """Cancel the newest pilots of a queue that wait, never one that runs; answer how many were told to end.

    Raises:
        BatchFailed: the batch system does not answer.
    """
    rows = {job: pk for pk, job in fleet.newest_waiting(row.queue, row.batch_system, count)}
    told = system.cancel_waiting(list(rows)) if rows else ()
    pilots.note_cancelled([rows[job] for job in told], SURPLUS, now=now)
    return len(told)
