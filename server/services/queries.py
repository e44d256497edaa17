"""Reading the services: for pages, and for workers that look for what to run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from server.services import schedules
from server.services.lateness import Standing, late_since
from server.services.lease import CLOCK_SKEW
from server.services.models import Lease, Service, ServiceRun


@dataclass(frozen=True)
class ServiceLine:
    """One service as a page shows it.

    ``period`` is in seconds, none for a crontab; ``outcome``, ``words`` and ``seconds`` are the last run's;
    ``next_run`` is when it is due, after failures when it is tried again; ``late_since`` is none while it is not late;
    ``owner`` is who runs it now, empty when nobody does.
    """

    name: str
    what: str
    enabled: bool
    period: float | None
    last_run: datetime | None
    next_run: datetime | None
    failures: int
    outcome: str
    words: str
    crontab: str = ""
    seconds: float | None = None
    late_since: datetime | None = None
    owner: str = ""
    expires: datetime | None = None

    @property
    def running(self) -> bool:
        return bool(self.owner)


def with_last_outcome(services: QuerySet[Service]) -> QuerySet[Any]:
    """Add the outcome and the words of each service's last run, and who holds its lease until when."""
    latest = ServiceRun.objects.filter(service=OuterRef("pk")).order_by("-id")
    held = Lease.objects.filter(name=OuterRef("pk")).exclude(owner="")
    return services.select_related("schedule__interval", "schedule__crontab").annotate(
        outcome=Subquery(latest.values("outcome")[:1]),
        words=Subquery(latest.values("words")[:1]),
        owner=Subquery(held.values("owner")[:1]),
        expires=Subquery(held.values("expires")[:1]),
    )


def overview(now: datetime | None = None) -> list[ServiceLine]:
    """Answer every service with its last result, its next run, who runs it and whether it is late; in one query.

    Who asks need not be a worker: so it is seen, too, when none runs.
    """
    now = now or timezone.now()
    return [line_of(row, now) for row in with_last_outcome(Service.objects.all())]


def line_of(row: Any, now: datetime) -> ServiceLine:
    """Answer the line of a row that has its last outcome."""
    running = bool(row.owner) and row.expires > now
    period, due = schedules.period_of(row), schedules.due_of(row)
    standing = Standing(enabled=row.enabled, due=due, period=period, running=running)
    return ServiceLine(
        row.name,
        row.what,
        row.enabled,
        row.period,
        row.last_run,
        due if row.enabled else None,
        row.failures,
        row.outcome or "",
        row.words or "",
        crontab=f"{row.crontab} ({row.crontab.zone})" if row.crontab else "",
        seconds=row.last_seconds,
        late_since=late_since(standing, now),
        owner=row.owner if running else "",
        expires=row.expires if running else None,
    )


def wanted() -> list[str]:
    """Answer the services that somebody asked for while no worker listened."""
    return list(Service.objects.filter(wanted=True).values_list("name", flat=True))


def overdue(now: datetime) -> Iterable[str]:
    """Answer the services that are on and whose time has passed, or that have never run.

    What has run at a time to come did so by a clock that was put back since: nobody knows how long that is ago.
    """
    on = Service.objects.filter(schedule__enabled=True).select_related("schedule__interval", "schedule__crontab")
    return [row.name for row in on if _is_overdue(row, now)]


def _is_overdue(row: Service, now: datetime) -> bool:
    if row.last_run is not None and row.last_run > now + CLOCK_SKEW:
        return True
    if row.crontab is not None:
        due = schedules.due_of(row)
        return due is not None and due <= now
    due = schedules.next_by_period(row)
    return due is None or due <= now
