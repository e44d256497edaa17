"""What is forgotten after a while: workers that nobody speaks of, nodes that nobody has seen, sums of long ago."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q

from server.pilots.models import Node, NodeGpus, PilotUse, Worker

#: For so long it is kept what pilots cost.
YEAR = timedelta(days=366)
#: Rows of one table that are deleted in one run.
_BATCH = 5000


def prune(*, now: datetime, days: int) -> int:
    """Forget what was said of workers and nodes more than so many days ago; answer how many rows that were."""
    oldest = now - timedelta(days=days)
    silent = Q(finished_at=None, started_at__lt=oldest) | Q(finished_at__lt=oldest)
    old: tuple[models.QuerySet[Any], ...] = (
        Worker.objects.filter(silent),
        Node.objects.filter(seen_at__lt=oldest),
        NodeGpus.objects.filter(seen_at__lt=oldest),
        PilotUse.objects.filter(day__lt=(now - YEAR).date()),
    )
    deleted = 0
    for rows in old:
        numbers = list(rows.order_by("pk").values_list("pk", flat=True)[:_BATCH])
        deleted += rows.model._default_manager.filter(pk__in=numbers).delete()[0]
    return deleted
