"""What is known of Harvesters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Max

from server.harvester.models import HarvesterWorker, WorkerCount


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
