"""What there is to know of incidents: how many of late, and how many in each hour."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q, Sum
from django.utils import timezone

from server.incidents.models import Incident, IncidentCount
from server.incidents.states import State

#: Records are counted by so long.
SLOT = timedelta(minutes=10)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class LastHour:
    """What was seen in the last hour; the slot of ten minutes in which it began counts whole."""

    errors: int = 0
    """Records of the level error or above."""
    warnings: int = 0
    kinds: int = 0
    """Incidents that these belong to."""
    new: int = 0
    """Those of them that nobody has looked at."""
    latest: datetime | None = None

    @property
    def records(self) -> int:
        return self.errors + self.warnings


def slot_of(moment: datetime) -> datetime:
    """Answer when the ten minutes began that a moment is in."""
    return moment.replace(minute=moment.minute // 10 * 10, second=0, microsecond=0)


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def last_hour(now: datetime | None = None) -> LastHour:
    """Count what went wrong in the last hour: one question, of few rows whatever the log's length."""
    now = timezone.now() if now is None else now
    is_error = Q(incident__level__gte=logging.ERROR)
    found = IncidentCount.objects.filter(slot__gte=slot_of(now - HOUR)).aggregate(
        errors=Sum("count", filter=is_error),
        warnings=Sum("count", filter=~is_error),
        kinds=Count("incident", distinct=True),
        new=Count("incident", distinct=True, filter=Q(incident__state=State.NEW)),
        latest=Max("incident__last_seen"),
    )
    return LastHour(
        **{name: found[name] or 0 for name in ("errors", "warnings", "kinds", "new")}, latest=found["latest"]
    )


def by_hour(incidents: Iterable[int], *, since: datetime) -> dict[int, Counter[datetime]]:
    """Count the records of each of these incidents in each hour since a moment: one question."""
    found: dict[int, Counter[datetime]] = {key: Counter() for key in incidents}
    rows = IncidentCount.objects.filter(incident__in=list(found), slot__gte=hour_of(since))
    for key, slot, count in rows.order_by().values_list("incident_id", "slot", "count"):
        found[key][hour_of(slot)] += count
    return found


def all_by_hour(*, since: datetime) -> Counter[datetime]:
    """Count the records of all incidents in each hour since a moment: one question, summed by the database."""
    counts: Counter[datetime] = Counter()
    rows = IncidentCount.objects.filter(slot__gte=hour_of(since)).order_by().values_list("slot")
    for slot, count in rows.annotate(sum=Sum("count")):
        counts[hour_of(slot)] += count
    return counts


def hours(counts: Mapping[datetime, int], *, now: datetime, length: int) -> list[tuple[datetime, int]]:
    """Answer the last hours one by one, the earliest first, with their counts; the last one goes on."""
    last = hour_of(now)
    moments = [last - back * HOUR for back in reversed(range(length))]
    return [(moment, counts.get(moment, 0)) for moment in moments]


def apps() -> list[str]:
    """Answer which parts of the server there are incidents of."""
    return list(Incident.objects.order_by("app").values_list("app", flat=True).distinct())
