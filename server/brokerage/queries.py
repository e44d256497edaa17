"""Brokerage applied to what there is: queues for jobs that name none, shares for all, the reasons of a job's place."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import orjson

from pilot.contract.codec import ContractError
from pilot.contract.job import JobOrder
from pilot.contract.job_wire import from_panda
from server.brokerage import readings
from server.brokerage.choose import Placement
from server.brokerage.explain import explanation
from server.brokerage.facts import at_queue, needs_of
from server.brokerage.order import Standing
from server.brokerage.shares import Share, share_of
from server.brokerage.snapshot import JobNeeds, Snapshot
from server.taskbuffer import queries as taskbuffer
from server.taskbuffer.models import JobParameters


def snapshot(jobs: Iterable[JobNeeds] = ()) -> Snapshot:
    """Read what queues are chosen from; where files lie is read for the inputs of these jobs alone."""
    return Snapshot(
        now=time.time(),
        queues=readings.QUEUES.of(None),
        loads=readings.LOADS.of(None),
        failures=readings.FAILURES.of(None),
        replicas=readings.replicas_of(jobs),
        backlogs=readings.BACKLOGS.of(None),
        users=readings.USERS.of(None),
    )


def needs_of_job(job_id: int) -> JobNeeds | None:
    """Answer what a job that was submitted asks of its queue; nothing for one that is not known."""
    written = JobParameters.objects.filter(pk=job_id).values_list("panda", flat=True).first()
    return None if written is None else needs_of(from_panda(orjson.loads(written)))


def explain(job_id: int, queue: str = "") -> dict[str, Any] | None:
    """Answer what all rules say of a job and each queue, or one queue, as it stands now, ready for JSON.

    Nothing for a job that is not known.

    Raises:
        LookupError: there is no such queue; the nearest name is told.
    """
    needs = needs_of_job(job_id)
    job = taskbuffer.job(job_id)
    if needs is None or job is None:
        return None
    world = snapshot([needs])
    if queue and queue not in world.queues.facts:
        near = get_close_matches(queue, world.queues.facts, 1)
        hint = f"did you mean {near[0]}?" if near else "the admin's page Queues lists them all"
        raise LookupError(f"there is no queue {queue!r}; {hint}")
    told = explanation(needs, world, readings.policy(), queue)
    return {"PandaID": job_id, "jobStatus": job.state, "computingSite": job.queue, **told}


def prepare(orders: Sequence[JobOrder]) -> list[JobOrder]:
    """Answer orders as they are to be submitted: each with its share, and those that name no queue with one.

    Raises:
        ContractError: a user is banned, or no queue takes a job; the words name the remedy.
    """
    tree, users = readings.SHARES.of(None), readings.USERS.of(None).facts
    for at, order in enumerate(orders):
        if (found := users.get(order.spec.user)) and found.banned:
            text = f"jobs[{at}]: prodUserName: user {order.spec.user} is banned: {found.banned}"
            raise ContractError(text, field_name="prodUserName")
    placed = _place(orders) if any(not order.queue for order in orders) else orders
    return [order._replace(share=_share_of(tree, order)) for order in placed]


def _place(orders: Sequence[JobOrder]) -> list[JobOrder]:
    needs = {at: needs_of(order.spec) for at, order in enumerate(orders) if not order.queue}
    placement = Placement(world := snapshot(needs.values()), readings.policy())
    placed = list(orders)
    for at, asked in needs.items():
        choice = placement.place(asked)
        if not choice.queue:
            raise ContractError(f"jobs[{at}]: computingSite: {choice.words}", field_name="computingSite")
        placed[at] = at_queue(orders[at], world.queues.facts[choice.queue])
    return placed


def _share_of(tree: Sequence[Share], order: JobOrder) -> str:
    spec = order.spec
    return share_of(
        tree,
        label=spec.label,
        group=spec.working_group,
        processing_type=spec.processing_type,
        user=spec.user,
        asked=order.share,
    )


def standing() -> Standing:
    """Answer how the shares stand."""
    return readings.STANDING.of(None)


def given(share: str, cores: int) -> None:
    """Count cores that a share has just been given, until what runs is counted anew."""
    readings.RUNNING.of(None)[share] += cores


def queued_of(queue: str) -> frozenset[int]:
    """Answer the buckets of a queue that had a job a moment ago."""
    return readings.QUEUED.of(queue)
