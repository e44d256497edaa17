"""Reads the parts of a snapshot from the tables; nothing else of brokerage sees any.

Each part is one query, remembered for a while: what changes seldom or must be seen at once for a second, what is dear
to count for longer.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, Sum

from pilot.contract.codec import ContractError
from pilot.contract.states import JobState
from server.accounting import queries as accounting
from server.brokerage.facts import queue_facts
from server.brokerage.order import Standing
from server.brokerage.policy import BadPolicy, Policy, policy_from
from server.brokerage.shares import Running, Share, leaf_of, targets, with_user
from server.brokerage.snapshot import FailureRate, JobNeeds, Load, Part, QueueFacts, UserFacts
from server.dataservice.models import Replica, Transfer
from server.dataservice.states import ReplicaState, TransferKind, TransferState, values
from server.factory.models import FactoryQueue
from server.lib.remembered import Remembered
from server.pandaconfig.merge import DECISIVE, merge
from server.pandaconfig.models import GlobalShare, PandaUser, Schedconfig, UserLimits
from server.taskbuffer.models import Attempt, Bucket, Job, Live, Ready

#: The latest attempts that failures are counted among: there is no index on when an attempt ended.
ATTEMPTS = 5000

#: Why somebody is banned whom PanDA's table of users has as disabled.
DISABLED = "disabled in the table of PanDA users"

#: Files of one query for replicas.
BATCH = 400

_SINCE = ("pk", "activated_at", "created_at")

#: States in which a job runs, as far as slots go; after them it waits for its outputs.
_RUNNING = frozenset({JobState.SENT.value, JobState.STARTING.value, JobState.RUNNING.value})


def policy() -> Policy:
    """Read the numbers that steer brokerage from the settings.

    Raises:
        ImproperlyConfigured: one is unknown, or cannot be meant.
    """
    try:
        return policy_from(getattr(settings, "BROKERAGE", {}))
    except BadPolicy as wrong:
        raise ImproperlyConfigured(str(wrong)) from wrong


def _queues(_: None) -> Part[QueueFacts]:
    rows = Schedconfig.objects.values("nickname", "json__data", *sorted(DECISIVE))
    found = (_queue(row) for row in rows)
    return Part({one.name: one for one in found}, time.time())


def _queue(row: dict[str, Any]) -> QueueFacts:
    try:
        return queue_facts(merge(row["nickname"], row, row["json__data"] or {}))
    except ContractError as wrong:  # it must not keep the other queues from being chosen
        return QueueFacts(row["nickname"], status=f"unreadable ({wrong})")


def _loads(_: None) -> Part[Load]:
    queued, waits_since = _queued()
    heard = _took_jobs()
    running: Counter[str] = Counter()
    cores: Counter[str] = Counter()
    transferring: Counter[str] = Counter()
    rows = Live.objects.order_by().values_list("queue", "state", "job__bucket__cores")
    for queue, state, each, n, latest in rows.annotate(n=Count("*"), latest=Max("heartbeat")):
        heard[queue] = max(heard.get(queue, 0.0), latest)
        if state in _RUNNING:
            running[queue] += n
            cores[queue] += n * each
        else:
            transferring[queue] += n
    slots = Counter(dict(FactoryQueue.objects.filter(enabled=True).values_list("queue", "slots")))
    names = {*queued, *running, *transferring, *slots, *heard}
    facts = {
        name: Load(
            queued[name], running[name], cores[name], transferring[name], slots[name],
            waits_since=waits_since.get(name, 0.0), heard=heard.get(name, 0.0),
        )
        for name in names
    }  # fmt: skip
    return Part(facts, time.time())


def _queued() -> tuple[Counter[str], dict[str, float]]:
    """Count the queued jobs of each queue, and answer since when its oldest job is queued that may be given out."""
    rows = Ready.objects.order_by().values_list("bucket__queue")
    free = Min("pk", filter=~Q(bucket__share__in=sorted(_held_back())))
    found = {queue: (n, oldest) for queue, n, oldest in rows.annotate(n=Count("*"), oldest=free)}
    jobs = Job.objects.filter(pk__in=[oldest for _, oldest in found.values() if oldest is not None])
    since = {pk: (activated or created).timestamp() for pk, activated, created in jobs.values_list(*_SINCE)}
    counted = Counter({queue: n for queue, (n, _) in found.items()})
    return counted, {queue: since[oldest] for queue, (_, oldest) in found.items() if oldest in since}


def _took_jobs() -> dict[str, float]:
    """Answer when a pilot of each queue took one of the latest jobs."""
    newest = int(Attempt.objects.aggregate(newest=Max("pk"))["newest"] or 0)
    rows = Attempt.objects.filter(pk__gt=newest - ATTEMPTS).order_by().values_list("queue")
    return {queue: latest.timestamp() for queue, latest in rows.annotate(latest=Max("sent_at"))}


def _failures(_: None) -> Part[FailureRate]:
    now = time.time()
    newest = int(Attempt.objects.aggregate(newest=Max("pk"))["newest"] or 0)
    since = datetime.fromtimestamp(now - policy().failure_window, UTC)
    failed = Q(state=JobState.FAILED.value, payload_error=0)
    rows = Attempt.objects.filter(pk__gt=newest - ATTEMPTS, ended_at__gte=since).order_by().values_list("queue")
    counted = rows.annotate(ended=Count("*"), failed=Count("pk", filter=failed))
    return Part({queue: FailureRate(ended, bad) for queue, ended, bad in counted}, now)


def _backlogs(_: None) -> Part[int]:
    before_it = (TransferState.REQUESTED, TransferState.QUEUED, TransferState.ACTIVE)
    waiting = Transfer.objects.filter(state__in=values(before_it)).exclude(kind=TransferKind.DELETE)
    rows = waiting.order_by().values_list("endpoint").annotate(n=Count("*"))
    return Part(dict(rows), time.time())


def replicas_of(jobs: Iterable[JobNeeds]) -> Part[tuple[str, ...]]:
    now = time.time()
    wanted = sorted({(file.dataset, file.lfn) for job in jobs for file in job.inputs if file.dataset})
    found: dict[str, tuple[str, ...]] = {}
    for start in range(0, len(wanted), BATCH):
        for dataset, lfn, endpoint in _replicas_of(wanted[start : start + BATCH]):
            key = f"{dataset}/{lfn}"
            found[key] = (*found.get(key, ()), endpoint)
    return Part(found, now)


def _replicas_of(files: Sequence[tuple[str, str]]) -> Iterable[Any]:
    rows = Replica.objects.filter(
        state=ReplicaState.AVAILABLE,
        file__dataset__name__in={dataset for dataset, _ in files},
        file__lfn__in=[lfn for _, lfn in files],
    )
    return rows.order_by("endpoint").values_list("file__dataset__name", "file__lfn", "endpoint")


def _running(_: None) -> Running:
    rows = Live.objects.order_by().values_list("job__bucket__share").annotate(n=Sum("job__bucket__cores"))
    return Running(dict(rows), accounting.past_use())


def _shares(_: None) -> tuple[Share, ...]:
    rows = GlobalShare.objects.values_list(
        "name", "value", "parent", "prodsourcelabel", "workinggroup", "processingtype", "per_user"
    )
    return tuple(Share(*row) for row in rows)


def queued_now(queue: str) -> frozenset[int]:
    """Answer the buckets of a queue that have a job: one look for each, however many jobs are queued."""
    there = Exists(Ready.objects.filter(bucket=OuterRef("pk")))
    return frozenset(Bucket.objects.filter(there, queue=queue).values_list("pk", flat=True))


def count_queued(queue: str) -> dict[int, int]:
    """Count the queued jobs of each bucket of a queue that has any."""
    rows = Ready.objects.filter(bucket__queue=queue).order_by().values_list("bucket")
    return dict(rows.annotate(n=Count("*")))


def _users(_: None) -> Part[UserFacts]:
    limits = list(UserLimits.objects.values_list("name", "country", "banned", "max_queued", "max_running_cores"))
    disabled = set(PandaUser.objects.filter(status=PandaUser.Status.DISABLED).values_list("name", flat=True))
    limited = tuple(sorted(name for name, _, _, queued, cores in limits if queued or cores))
    running, waiting = COUNTS.of(limited) if limited else (Counter[str](), Counter[str]())
    facts = {
        name: UserFacts(
            name, country, banned or (DISABLED if name in disabled else ""), cores, queued, running[name], waiting[name]
        )
        for name, country, banned, queued, cores in limits
    }
    facts |= {name: UserFacts(name, banned=DISABLED) for name in disabled - set(facts)}
    return Part(facts, time.time())


def _counts(users: tuple[str, ...]) -> tuple[Counter[str], Counter[str]]:
    """Count the running cores and the queued jobs of users."""
    running = Live.objects.filter(job__user__in=users).order_by().values_list("job__user")
    waiting = Ready.objects.filter(job__user__in=users).order_by().values_list("job__user")
    cores = Counter[str](dict(running.annotate(n=Sum("job__bucket__cores"))))
    return cores, Counter[str](dict(waiting.annotate(n=Count("*"))))


def _barred(users: Iterable[UserFacts]) -> dict[str, str]:
    """Answer the shares of users who are given nothing."""
    words = {
        one.name: f"user: {one.name} is banned: {one.banned}"
        if one.banned
        else f"user: {one.name} has {one.running_cores} cores of at most {one.max_running_cores}"
        for one in users
        if one.banned or 0 < one.max_running_cores <= one.running_cores
    }
    return _shares_of(words)


def _shares_of(words: Mapping[str, str]) -> dict[str, str]:
    """Answer the shares of users by name, with the words for each."""
    if not words:
        return {}
    known = Bucket.objects.filter(share__contains="/").order_by().values_list("share", flat=True).distinct()
    leaves = {leaf_of(share) for share in known}  # a few, where the shares of users are thousands
    return {with_user(leaf, name): words[name] for leaf in leaves for name in words}


def _quotas(_: None) -> dict[tuple[str, str], str]:
    return accounting.exhausted()


def _used_up() -> dict[str, str]:
    """Answer the shares that quotas hold back: of a user, and of a leaf that is of one working group."""
    if not (over := QUOTAS.of(None)):
        return {}
    users = {name: f"quota: user {name} {words}" for (kind, name), words in over.items() if kind == "user"}
    groups = {name: f"quota: working group {name} {words}" for (kind, name), words in over.items() if kind == "group"}
    held = {share.name: groups[share.group] for share in SHARES.of(None) if share.group in groups}
    known = Bucket.objects.exclude(share="").order_by().values_list("share", flat=True).distinct()
    return _shares_of(users) | {share: held[leaf] for share in known if (leaf := leaf_of(share)) in held}


def _held_back() -> dict[str, str]:
    """Answer the shares that pilots are given nothing of, whatever is queued, and why."""
    return _used_up() | _barred(USERS.of(None).facts.values())


def _standing(_: None) -> Standing:
    shares = SHARES.of(None)
    return Standing(RUNNING.of(None) if shares else Running(), targets(shares), _held_back())


#: What was read, for as many seconds as it is believed without another look.
QUEUES = Remembered(_queues, seconds=1.0)
LOADS = Remembered(_loads, seconds=15.0)
FAILURES = Remembered(_failures, seconds=30.0)
BACKLOGS = Remembered(_backlogs, seconds=30.0)
USERS = Remembered(_users, seconds=1.0)
COUNTS = Remembered(_counts, seconds=10.0)
QUOTAS = Remembered(_quotas, seconds=10.0)
SHARES = Remembered(_shares, seconds=1.0)
RUNNING = Remembered(_running, seconds=10.0)
STANDING = Remembered(_standing, seconds=1.0)
QUEUED = Remembered(queued_now, seconds=1.0)


def count_sent(jobs: Mapping[str, int]) -> None:
    """Count so many jobs as queued at queues, to which they were just sent, until what is queued is counted anew.

    Else those that come one by one in the meantime would all go to the same queue.
    """
    facts = cast("dict[str, Load]", LOADS.of(None).facts)
    for queue, number in jobs.items():
        load = facts.get(queue, Load())
        facts[queue] = replace(load, queued=load.queued + number)


def forget() -> None:
    """Read everything anew from now on."""
    for memory in (QUEUES, LOADS, FAILURES, BACKLOGS, USERS, COUNTS, QUOTAS, SHARES, RUNNING, STANDING, QUEUED):
        memory.forget()
