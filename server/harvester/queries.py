"""What is known of Harvesters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max

from server.harvester.models import Command, Dialog, Harvester, HarvesterWorker, ServiceMetric, WorkerCount, WorkerJob
from server.harvester.values import ENDED, STATES

#: All states of workers.
WORKER_STATES = STATES

#: A Harvester that has not been heard of for so long is taken for dead; it beats every few minutes.
SILENT = timedelta(minutes=15)
#: Workers on one page, jobs of one worker, and workers of one job, at most.
MOST, MOST_JOBS, MOST_WORKERS = 1000, 200, 20


@dataclass(frozen=True)
class Instance:
    """One Harvester: what it says of itself, where it runs, how many workers of its live, and what waits for it."""

    name: str
    heartbeat_at: datetime
    alive: bool
    version: str
    started: str
    hosts: tuple[str, ...]
    living: int
    commands: int

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "heartbeat_at": self.heartbeat_at.isoformat(), "hosts": list(self.hosts)}


def instances(now: datetime) -> list[Instance]:
    """Answer all Harvesters by name: four questions to the database."""
    rows = HarvesterWorker.objects.exclude(state__in=ENDED).order_by().values_list("harvester").annotate(n=Count("pk"))
    living = dict(rows)
    waiting = Command.objects.filter(given_at=None).order_by().values_list("harvester").annotate(n=Count("pk"))
    commands = dict(waiting)
    hosts: dict[str, set[str]] = {}
    lately = ServiceMetric.objects.filter(measured_at__gte=now - timedelta(days=1)).order_by()
    for name, host in lately.values_list("harvester", "host").distinct():
        hosts.setdefault(name, set()).add(host)
    return [
        Instance(
            name=one.name,
            heartbeat_at=one.heartbeat_at,
            alive=now - one.heartbeat_at < SILENT,
            version=_said(one, "sw_version"),
            started=_said(one, "startTime"),
            hosts=tuple(sorted(hosts.get(one.name, ()))),
            living=living.get(one.name, 0),
            commands=commands.get(one.name, 0),
        )
        for one in Harvester.objects.all()
    ]


def _said(harvester: Harvester, name: str) -> str:
    said = harvester.said if isinstance(harvester.said, dict) else {}
    return str(said.get(name, ""))[:60].removeprefix("datetime/")


@dataclass(frozen=True)
class AtQueue:
    """The workers of a Harvester at a queue by state: as they are described here, and as it has counted them."""

    queue: str
    harvester: str
    described: dict[str, int] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return vars(self)


def workers_at_queues() -> list[AtQueue]:
    """Answer the workers by queue, Harvester and state."""
    found: dict[tuple[str, str], AtQueue] = {}
    rows = HarvesterWorker.objects.order_by("state").values_list("queue", "harvester", "state")
    for queue, harvester, state, number in rows.annotate(n=Count("pk")):
        found.setdefault((queue, harvester), AtQueue(queue, harvester)).described[state] = number
    for row in WorkerCount.objects.order_by("state"):
        line = found.setdefault((row.queue, row.harvester), AtQueue(row.queue, row.harvester)).counted
        line[row.state] = line.get(row.state, 0) + row.count
    return [found[key] for key in sorted(found)]


def living_at_queues(queue: str = "") -> list[AtQueue]:
    """Answer the workers that live, as they are described, by queue and Harvester; of one queue, if it is named."""
    rows = HarvesterWorker.objects.exclude(state__in=ENDED).order_by("queue", "harvester", "state")
    rows = rows.filter(queue=queue) if queue else rows
    found: dict[tuple[str, str], AtQueue] = {}
    for at, harvester, state, number in rows.values_list("queue", "harvester", "state").annotate(n=Count("pk")):
        found.setdefault((at, harvester), AtQueue(at, harvester)).described[state] = number
    return list(found.values())


def latest_commands(most: int = 50) -> list[Command]:
    """Answer what Harvesters were told last, latest first."""
    return list(Command.objects.order_by("-pk")[:most])


def latest_dialogs(most: int = 30) -> list[Dialog]:
    """Answer what Harvesters have told people last, latest first."""
    return list(Dialog.objects.order_by("-pk")[:most])


def latest_figures() -> list[ServiceMetric]:
    """Answer the last figures of each machine on which a Harvester runs."""
    newest = ServiceMetric.objects.order_by().values("harvester", "host").annotate(newest=Max("pk"))
    return list(ServiceMetric.objects.filter(pk__in=[row["newest"] for row in newest]).order_by("harvester", "host"))


@dataclass(frozen=True)
class Workers:
    """A page of workers, latest first; ``older`` is the number to go on from, if there are more."""

    workers: list[HarvesterWorker]
    older: int | None


def workers(
    *, harvester: str = "", queue: str = "", state: str = "", before: int | None = None, count: int = 100
) -> Workers:
    """Answer the latest workers of these, or those before the one of that number."""
    said = {"harvester": harvester, "queue": queue, "state": state}
    rows = HarvesterWorker.objects.filter(**{name: value for name, value in said.items() if value})
    rows = rows if before is None else rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: count + 1])
    return Workers(found[:count], found[count - 1].pk if len(found) > count else None)


def find_worker(harvester: str, number: int) -> HarvesterWorker | None:
    """Answer a worker of a Harvester."""
    return HarvesterWorker.objects.filter(harvester=harvester, worker_id=number).first() if number < 2**63 else None


def jobs_of_worker(harvester: str, number: int) -> list[int]:
    """Answer the jobs that a worker has had, as far as anybody said, latest first."""
    rows = WorkerJob.objects.filter(harvester=harvester, worker_id=number).order_by("-pk")
    return list(rows.values_list("job", flat=True)[:MOST_JOBS])


def workers_of_job(job: int) -> list[tuple[str, int]]:
    """Answer the last workers, by Harvester and number, that have had a job."""
    return list(WorkerJob.objects.filter(job=job).order_by("-pk").values_list("harvester", "worker_id")[:MOST_WORKERS])


def newest_worker(harvester: str) -> int:
    """Answer the highest number that a Harvester has given to a worker, 0 when it never had one."""
    found = HarvesterWorker.objects.filter(harvester=harvester).aggregate(newest=Max("worker_id"))
    return int(found["newest"] or 0)


def queues_of(harvester: str, numbers: Iterable[int]) -> dict[int, str]:
    """Answer the queue of each of these workers that there is."""
    rows = HarvesterWorker.objects.filter(harvester=harvester, worker_id__in=set(numbers))
    return dict(rows.order_by().values_list("worker_id", "queue"))


def worker_counts() -> dict[str, dict[str, dict[str, dict[str, dict[str, int]]]]]:
    """Answer queue -> Harvester -> kind of jobs -> resource type -> state -> number, as they have counted last."""
    counts: dict[str, Any] = {}
    for row in WorkerCount.objects.order_by("pk"):
        level = counts
        for key in (row.queue, row.harvester, row.job_type, row.resource_type):
            level = level.setdefault(key, {})
        level[row.state] = row.count
    return counts
