"""Reading the services: for pages, and for workers that look for what to run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from server.services.lease import CLOCK_SKEW
from server.services.models import Service, ServiceRun


@dataclass(frozen=True)
class ServiceLine:
    """One service as a page shows it; ``period`` in seconds, none for a crontab; ``outcome`` is the last run's."""

    name: str
    what: str
    enabled: bool
    period: float | None
    last_run: datetime | None
    next_run: datetime | None
    failures: int
    outcome: str
    words: str


def with_last_outcome(services: QuerySet[Service]) -> QuerySet[Any]:
    """Add the outcome and the words of each service's last run."""
    latest = ServiceRun.objects.filter(service=OuterRef("pk")).order_by("-id")
    return services.annotate(outcome=Subquery(latest.values("outcome")[:1]), words=Subquery(latest.values("words")[:1]))


def overview() -> list[ServiceLine]:
    """Answer every service with its last result, in one query."""
    rows = with_last_outcome(Service.objects.select_related("schedule__interval"))
    return [
        ServiceLine(
            row.name,
            row.what,
            row.enabled,
            row.period,
            row.last_run,
            row.next_run,
            row.failures,
            row.outcome or "",
            row.words or "",
        )
        for row in rows
    ]


def wanted() -> list[str]:
    """Answer the services that somebody asked for while no worker listened."""
    return list(Service.objects.filter(wanted=True).values_list("name", flat=True))


def overdue(now: datetime) -> Iterable[str]:
    """Answer the services that are on and whose time has passed, or that have never run.

    What has run at a time to come did so by a clock that was put back since: nobody knows how long that is ago.
    """
    passed = Q(next_run__isnull=True) | Q(next_run__lte=now) | Q(last_run__gt=now + CLOCK_SKEW)
    return list(Service.objects.filter(passed, schedule__enabled=True).values_list("name", flat=True))
