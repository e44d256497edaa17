"""Brokerage applied to what there is: queues for jobs that name none, shares for all, the reasons of a job's place."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import orjson

from pilot.contract.codec import ContractError
from pilot.contract.job import JobOrder
from pilot.contract.job_wire import from_panda
from pilot.contract.queue import ONLINE
from server.brokerage import readings
from server.brokerage.choose import Placement, explain_choice, judge_all
from server.brokerage.explain import explanation, pilot_explanation
from server.brokerage.facts import at_queue, needs_of
from server.brokerage.labels import labels_for
from server.brokerage.order import Offer, Standing, countries_of, order
from server.brokerage.saved import World
from server.brokerage.shares import Share, leaf_of, share_of
from server.brokerage.snapshot import FailureRate, JobNeeds, Load, QueueFacts, Snapshot
from server.taskbuffer import queries as taskbuffer
from server.taskbuffer.models import Bucket, JobParameters, Ready


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


def loads() -> Mapping[str, Load]:
    """Answer how busy each queue is, as it was counted some seconds ago."""
    return readings.LOADS.of(None).facts


def failures() -> Mapping[str, FailureRate]:
    """Answer how many of each queue's latest attempts failed by no fault of their payloads."""
    return readings.FAILURES.of(None).facts


def world(most: int = 10_000) -> World:
    """Answer everything that brokerage decides from, with up to so many of the jobs that are queued now."""
    queued = Ready.objects.order_by("pk").values_list("pk", flat=True)[:most]
    kinds: Counter[JobNeeds] = Counter()
    for start in range(0, len(numbers := list(queued)), readings.BATCH):
        written = JobParameters.objects.filter(pk__in=numbers[start : start + readings.BATCH])
        kinds.update(_needs(panda) for panda in written.values_list("panda", flat=True))
    return World(snapshot(kinds), readings.policy(), tuple(kinds.items()))


def needs_of_job(job_id: int) -> JobNeeds | None:
    """Answer what a job that was submitted asks of its queue; nothing for one that is not known."""
    written = JobParameters.objects.filter(pk=job_id).values_list("panda", flat=True).first()
    return None if written is None else _needs(written)


def _needs(panda: str) -> JobNeeds:
    return needs_of(from_panda(orjson.loads(panda)))


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
    if queue:
        _known_queue(queue)
    told = explanation(needs, world, readings.policy(), queue)
    turn = _turn(job.bucket, world.queues.facts.get(job.queue))
    stands = {"PandaID": job_id, "jobStatus": job.state, "computingSite": job.queue}
    return {**stands, **told, "turn": turn, "obstacle": taskbuffer.why_not_now(job)}


def _known_queue(name: str) -> QueueFacts:
    queues = readings.QUEUES.of(None).facts
    if name not in queues:
        near = get_close_matches(name, queues, 1)
        hint = f"did you mean {near[0]}?" if near else "the admin's page Queues lists them all"
        raise LookupError(f"there is no queue {name!r}; {hint}")
    return queues[name]


@dataclass(frozen=True)
class Wishes:
    """What a pilot says when it asks for work; ``None``: nothing, as most say. Bytes and seconds."""

    label: str = "unified"
    cores: int | None = None
    memory: int | None = None
    disk: int | None = None
    remaining_time: float | None = None
    working_group: str = ""
    country: str = ""
    other_countries: bool = True


def explain_pilot(queue: str, wishes: Wishes | None = None) -> dict[str, Any]:
    """Answer which of a queue's jobs a pilot is given now, in their order, and why no others, ready for JSON.

    Raises:
        LookupError: there is no such queue; the nearest name is told.
    """
    facts, wishes = _known_queue(queue), wishes or Wishes()
    labels = labels_for(wishes.label, queue_status=facts.status)
    cores = facts.cores if wishes.cores is None else wishes.cores
    whose = (wishes.working_group, countries_of(wishes.country), wishes.other_countries)
    offer = Offer(queue, labels, cores, wishes.memory, wishes.disk, wishes.remaining_time, *whose)
    buckets = taskbuffer.kinds_of(queue).buckets
    told = pilot_explanation(buckets, offer, standing(), readings.count_queued(queue))
    if facts.status not in ONLINE:
        told["words"] = f"queue {queue} is {facts.status}: its pilots are given nothing; set it online in the admin"
    said = {"label": wishes.label, "labels": sorted(labels), "cores": cores, "memory": wishes.memory}
    said |= {"disk": wishes.disk, "remaining_time": wishes.remaining_time, "working_group": wishes.working_group}
    said |= {"country": wishes.country, "other_countries": wishes.other_countries}
    waiting = taskbuffer.waiting_for_inputs(queue)
    return {"queue": queue, "status": facts.status, "offer": said, **told, "waiting_for_inputs": waiting}


def _turn(bucket: Bucket, queue: QueueFacts | None) -> dict[str, Any]:
    """Say when a pilot that has a whole slot of its queue would be given jobs like this one."""
    shares, words, waiting = standing(), f"there is no queue {bucket.queue} any more", list[str]()
    if queue is not None:
        labels = labels_for("unified", queue_status=queue.status)
        most = (queue.cores, queue.memory or None, queue.disk or None, queue.max_walltime or None)
        ranking = order(taskbuffer.kinds_of(queue.name).buckets, Offer(queue.name, labels, *most), shares)
        queued = readings.queued_now(queue.name)
        waiting = [tier.share for tier in ranking.tiers if not queued.isdisjoint(tier.buckets)]
        words = ranking.refused.get(bucket.pk, "")
    return {
        "share": bucket.share,
        "cores": readings.RUNNING.of(None).of(bucket.share),
        "past": readings.RUNNING.of(None).past_of(bucket.share),
        "target": shares.targets.get(leaf_of(bucket.share)),
        "before": waiting[: waiting.index(bucket.share)] if bucket.share in waiting else [],
        "words": words,
    }


def prepare(orders: Sequence[JobOrder]) -> list[JobOrder]:
    """Answer orders as they are to be submitted: each with its share, and those that name no queue with one.

    Raises:
        ContractError: a user is banned, or no queue takes a job; the words name the remedy.
    """
    tree, users = readings.SHARES.of(None), readings.USERS.of(None).facts
    for at, wanted in enumerate(orders):
        if (found := users.get(wanted.spec.user)) and found.banned:
            text = f"jobs[{at}]: prodUserName: user {wanted.spec.user} is banned: {found.banned}"
            raise ContractError(text, field_name="prodUserName")
    placed = _place(orders) if any(not wanted.queue for wanted in orders) else orders
    return [
        wanted._replace(share=_share_of(tree, wanted), country=users[wanted.spec.user].country)
        if wanted.spec.user in users
        else wanted._replace(share=_share_of(tree, wanted))
        for wanted in placed
    ]


def _place(orders: Sequence[JobOrder]) -> list[JobOrder]:
    needs = {at: needs_of(wanted.spec) for at, wanted in enumerate(orders) if not wanted.queue}
    placement = Placement(world := snapshot(needs.values()), readings.policy())
    placed = list(orders)
    for at, asked in needs.items():
        choice = placement.place(asked)
        if not choice.queue:
            raise ContractError(f"jobs[{at}]: computingSite: {choice.words}", field_name="computingSite")
        placed[at] = at_queue(orders[at], world.queues.facts[choice.queue])
    readings.count_sent(placement.placed)
    return placed


def elsewhere(job_id: int, been: Collection[str], allowed: Collection[str] = ()) -> str:
    """Answer the best queue for a job that is to be tried again, and count it there; "" when none takes it.

    Args:
        job_id: The job.
        been: Queues that it is not sent to.
        allowed: The only ones that it is sent to; none: any.
    """
    if (needs := needs_of_job(job_id)) is None:
        return ""
    world, left = snapshot([needs]), dict[str, QueueFacts]()
    for name, facts in world.queues.facts.items():
        if name not in been and (not allowed or name in allowed):
            left[name] = facts
    # How many jobs a user may have queued is about new ones.
    users = {name: replace(one, max_queued=0) for name, one in world.users.facts.items() if name == needs.user}
    world = replace(world, queues=replace(world.queues, facts=left), users=replace(world.users, facts=users))
    choice = explain_choice(judge_all(needs, world, readings.policy()))
    if choice.queue:
        readings.count_sent({choice.queue: 1})
    return choice.queue


def _share_of(tree: Sequence[Share], wanted: JobOrder) -> str:
    spec = wanted.spec
    return share_of(
        tree,
        label=spec.label,
        group=spec.working_group,
        processing_type=spec.processing_type,
        user=spec.user,
        asked=wanted.share,
    )


def standing() -> Standing:
    """Answer how the shares stand; what is given to one is told to its ``running``, until that is counted anew."""
    return readings.STANDING.of(None)


def queued_of(queue: str) -> frozenset[int]:
    """Answer the buckets of a queue that had a job a moment ago."""
    return readings.QUEUED.of(queue)
