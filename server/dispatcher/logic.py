"""What both dialects call: a request for work becomes an offer, a choice of buckets and a claim."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils import timezone

from pilot.contract.codec import ContractError, Dialect, decode
from pilot.contract.job import PANDA_MB
from pilot.contract.messages import JobUpdate, UpdateAnswer, WorkRequest
from pilot.contract.queue import ONLINE, QueueData
from pilot.contract.states import FINAL
from server.accounts.rules import NotAllowed
from server.brokerage import queries as brokerage
from server.brokerage.labels import labels_for
from server.brokerage.order import Offer, countries_of, tiers
from server.credentials.logic import secrets
from server.harvester import logic as harvesters
from server.lib.logs import about
from server.lib.remembered import Remembered
from server.pandaconfig import queries as pandaconfig
from server.pilots import logic as pilots
from server.services.wake import tell, write_down
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer import queries
from server.taskbuffer.values import ClaimOrder, OtherQueue, Progress
from server.taskbuffer.verdict import attempt_of
from server.transforms.orders import order_of

#: Most jobs that one request is given.
MOST_JOBS = 100

#: Shares that are looked into one by one; after them all at once.
MOST_SHARES = 3

#: A change of a queue in the admin is seen by pilots after a second.
QUEUES = Remembered(pandaconfig.queue, seconds=1.0)

#: Kinds of jobs appear rarely and never change; a new one is looked for at once when a pilot would get nothing.
KINDS = Remembered(queries.kinds_of, seconds=1.0)

#: The service that brings the production to where its jobs stand.
_COLLECT = "production.collect"

#: A wish is written down as often as it is read, and as that service runs by itself.
WISHES = Remembered(write_down, seconds=1.0)


def acquire(
    request: WorkRequest,
    request_id: str,
    *,
    repeatable: bool,
    by: str,
    queues: Collection[str] = (),
    stock: bool = False,
) -> list[dict[str, Any]]:
    """Answer the jobs for a request for work, in PanDA's dictionary form; for a ``stock`` pilot, as it can run them.

    Raises:
        NotAllowed: the pilot speaks for other queues.
        ContractError: there is no such queue, what it says of stock pilots is wrong, or the number of jobs is not one.
    """
    if queues and request.queue not in queues:
        raise NotAllowed(f"siteName: this token is for {', '.join(sorted(queues))}, not for {request.queue}")
    if request.count < 1:
        raise ContractError(f"nJobs: {request.count} is less than 1", field_name="nJobs")
    try:
        queue = QUEUES.of(request.queue)
    except pandaconfig.UnknownQueue as unknown:
        raise ContractError(f"siteName: {unknown}", field_name="siteName") from unknown
    if queue.status not in ONLINE:
        return []
    order = order_of(queue) if stock else None
    offer = offer_of(request, queue)
    jobs = _claim(request, offer, request_id, repeatable, by)
    if not jobs and queries.newest_bucket() > KINDS.of(queue.name).newest:
        KINDS.forget()
        jobs = _claim(request, offer, request_id, repeatable, by)
    if jobs:
        _note_who_has(jobs, request, request_id)
        if any(secrets.WANTED in job for job in jobs):
            secrets.add_to(jobs, to=by, queue=queue.name, now=timezone.now())
    return [order.wrapped(job) for job in jobs] if order else jobs


def _note_who_has(jobs: Sequence[Mapping[str, Any]], request: WorkRequest, request_id: str) -> None:
    """Note that a pilot of ours was given jobs, or a worker of a Harvester."""
    pilots.took_jobs(request.scheduler_id, request.queue, request_id, len(jobs))
    if request.harvester_id and request.worker_id is not None:
        numbers = [int(job["PandaID"]) for job in jobs]
        harvesters.took_jobs(request.harvester_id, request.worker_id, numbers, now=timezone.now())


def report(
    update: JobUpdate, *, progress: Progress | None, shown: str | None = "", by: str, queues: Collection[str] = ()
) -> UpdateAnswer:
    """Take a pilot's report, and answer with the command for it. Who lives on its end is woken.

    Args:
        update: The report.
        progress: Events done and ordered, if it says so.
        shown: The command to look at something that it answers; ``None`` from a pilot that says no such thing, which is
            told to look at something once.
        by: Who reports.
        queues: The queues that it speaks for; none: all.

    Raises:
        NotAllowed: the report would change a job of another queue.
    """
    about(job=update.job_id, attempt=attempt_of(update))
    try:
        if shown:
            taskbuffer.was_shown(update.job_id, attempt_of(update), [shown], update.stdout or "nothing", queues)
            update = replace(update, stdout=None)  # these are not the payload's last lines
        answer = taskbuffer.apply_update(update, by=by, progress=progress, queues=queues)
    except OtherQueue as refused:
        raise _not_its_own(refused) from refused
    if shown is None:
        _was_asked(update, answer)
    _wake_production([update])
    return answer


def report_all(
    entries: Iterable[Mapping[str, Any]], dialect: Dialect, *, by: str, queues: Collection[str] = ()
) -> list[UpdateAnswer | NotAllowed | ContractError]:
    """Take reports on several jobs, of pilots that show nothing; answer each as `report` does.

    What is wrong with one stands in place of its answer, and does not keep the others from being taken.
    """
    read = [_read(entry, dialect) for entry in entries]
    updates = [update for update in read if isinstance(update, JobUpdate)]
    answers = iter(taskbuffer.apply_updates(updates, by=by, queues=queues))
    said = [_said_of(one, next(answers)) if isinstance(one, JobUpdate) else one for one in read]
    _wake_production(updates)
    return said


def _read(entry: Mapping[str, Any], dialect: Dialect) -> JobUpdate | ContractError:
    try:
        return decode(JobUpdate, entry, dialect)
    except ContractError as wrong:
        wrong.__cause__ = wrong.__context__ = None
        return wrong.with_traceback(None)  # it would keep all that was sent, by the frame that keeps it


def _said_of(update: JobUpdate, answer: UpdateAnswer | OtherQueue) -> UpdateAnswer | NotAllowed:
    if isinstance(answer, OtherQueue):
        return _not_its_own(answer)
    _was_asked(update, answer)
    return answer


def _not_its_own(refused: OtherQueue) -> NotAllowed:
    return NotAllowed(f"jobId: {refused}; this token may report on the jobs of its queue only")


def _was_asked(update: JobUpdate, answer: UpdateAnswer) -> None:
    """Have a pilot that never says what it shows asked once for it."""
    if looks := taskbuffer.looks_in(answer.command):
        taskbuffer.was_shown(update.job_id, attempt_of(update), looks)


def _wake_production(updates: Iterable[JobUpdate]) -> None:
    if any(update.state in FINAL for update in updates) and not tell(_COLLECT):
        WISHES.of(_COLLECT)


def _claim(request: WorkRequest, offer: Offer, request_id: str, repeatable: bool, by: str) -> list[dict[str, Any]]:
    """Claim from the first share that has something queued; within it the task buffer's own order decides."""
    standing = brokerage.standing()
    found = tiers(KINDS.of(offer.queue).buckets, offer, standing)
    wanted = ClaimOrder(
        buckets=tuple(bucket for tier in found for bucket in tier.buckets),
        request_id=request_id,
        repeatable=repeatable,
        queue=offer.queue,
        count=min(request.count, MOST_JOBS),
        node=request.node[:128],
        batch_id=request.scheduler_id[:80],
        task_id=request.task_id,
        by=by,
    )
    if len(found) > 1:
        queued = brokerage.queued_of(offer.queue)
        filled = [tier for tier in found if not queued.isdisjoint(tier.buckets)]
        for tier in filled[:MOST_SHARES]:
            if jobs := taskbuffer.claim(replace(wanted, buckets=tier.buckets)):
                standing.running.give(tier.share, sum(int(job["coreCount"]) for job in jobs))
                return jobs
    return taskbuffer.claim(wanted)  # there is one share, or what was queued a moment ago is gone


def offer_of(request: WorkRequest, queue: QueueData) -> Offer:
    """Say what a pilot has, from what it says itself and what is known of its queue."""
    labels = labels_for(request.label, queue_status=queue.status, computing_element=request.computing_element)
    return Offer(
        queue=queue.name,
        labels=labels,
        cores=queue.cores if request.cores is None else request.cores,
        memory=None if request.memory is None else request.memory * PANDA_MB,
        disk=None if request.disk is None else request.disk * PANDA_MB,
        remaining_time=request.remaining_time,
        group=request.working_group,
        countries=countries_of(request.country_group) if request.country_group else (),
        other_countries=request.allow_other_country is not False,
    )
