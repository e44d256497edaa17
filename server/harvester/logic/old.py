"""What Harvesters have said long ago, and is forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models

from server.harvester.models import Command, Dialog, HarvesterWorker, ServiceMetric, WorkerJob
from server.harvester.values import ENDED

#: Rows of one table that a run of the clean-up deletes.
_BATCH = 5000


def prune(*, now: datetime, days: int = 30) -> int:
    """Forget what is over, or was only said, more than so many days ago; answer how many rows that were."""
    oldest = now - timedelta(days=days)
    old: tuple[models.QuerySet[Any], ...] = (
        HarvesterWorker.objects.filter(updated_at__lt=oldest, state__in=ENDED),
        WorkerJob.objects.filter(said_at__lt=oldest),
        Command.objects.filter(given_at__lt=oldest),
        Dialog.objects.filter(said_at__lt=oldest),
        ServiceMetric.objects.filter(measured_at__lt=oldest),
    )
    deleted = 0
    for rows in old:
        numbers = list(rows.order_by("pk").values_list("pk", flat=True)[:_BATCH])
        deleted += rows.model._default_manager.filter(pk__in=numbers).delete()[0]
    return deleted
