"""What the pilots of an allocation have used, in node-hours: the sums by day, and the rows that are not in them yet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time

from django.db.models import Sum

from server.pilots.models import AllocationUse, Pilot

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def used_hours(allocation: str, *, since: datetime, now: datetime) -> float:
    """Sum up what pilots that started since a time have used until now."""
    return running_hours(allocation, since=since, now=now) + ended_hours(allocation, since=since)


def running_hours(allocation: str, *, since: datetime, now: datetime) -> float:
    """Sum up what those have used until now that run."""
    rows = Pilot.objects.filter(allocation=allocation, started_at__gte=since, ended_at__isnull=True).order_by()
    return _hours((nodes, started, now) for nodes, started in rows.values_list("nodes", "started_at"))


def ended_hours(allocation: str, *, since: datetime, earlier: float | None = None) -> float:
    """Sum up what those have used that have ended. ``earlier`` is what `earlier_hours` says, if somebody has asked it.

    Of the first day all counts once the rows of its pilots are forgotten.
    """
    # What is counted between two of these questions is added twice for a moment, rather than left out.
    # Written so that the index of these few is used on SQLite, too.
    fresh = Pilot.objects.filter(counted__in=(False,), ended_at__gte=_BEGIN, allocation=allocation).order_by()
    ended = _hours(
        (nodes, started, over)
        for nodes, started, over in fresh.values_list("nodes", "started_at", "ended_at")
        if started is not None and started >= since
    )
    before = earlier_hours(allocation, since=since) if earlier is None else earlier
    days = AllocationUse.objects.filter(allocation=allocation, day__gte=since.astimezone(UTC).date())
    return ended - before + float(days.aggregate(used=Sum("node_seconds"))["used"] or 0) / 3600


def earlier_hours(allocation: str, *, since: datetime) -> float:
    """Sum up what those used that are in the sums of a time's day, but started before that time."""
    midnight = datetime.combine(since.astimezone(UTC).date(), time(), UTC)
    rows = Pilot.objects.filter(allocation=allocation, started_at__gte=midnight, started_at__lt=since, counted=True)
    return _hours(rows.order_by().values_list("nodes", "started_at", "ended_at"))


def _hours(rows: Iterable[tuple[int, datetime | None, datetime | None]]) -> float:
    spans = ((nodes, over - started) for nodes, started, over in rows if started and over)
    return sum(nodes * max(0.0, spent.total_seconds()) for nodes, spent in spans) / 3600
