"""Measures what fair shares and quotas ask for: a few rows, so that nobody adds up days while a pilot waits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import F, Sum

from server.accounting.models import Quota, ShareUse, Usage
from server.accounting.past import average_cores, days_back

_CORE_SECONDS = F("good_core_seconds") + F("lost_core_seconds")


@transaction.atomic
def measure_shares(*, now: datetime, half_life: float) -> int:
    """Write what each share has had of late; with a half-life of 0 s the past does not count. Answer how many."""
    found = _of_shares(now, half_life) if half_life else {}
    ShareUse.objects.exclude(share__in=found).delete()
    known = set(ShareUse.objects.values_list("share", flat=True))
    rows = [ShareUse(share=share, cores=cores) for share, cores in sorted(found.items())]
    ShareUse.objects.bulk_update([row for row in rows if row.share in known], ["cores"], batch_size=200)
    ShareUse.objects.bulk_create([row for row in rows if row.share not in known], batch_size=200)
    return len(rows)


def _of_shares(now: datetime, half_life: float) -> dict[str, float]:
    first = now.astimezone(UTC).date() - timedelta(days=days_back(half_life))
    rows = Usage.objects.filter(day__gte=first).order_by().values_list("share", "day").annotate(n=Sum(_CORE_SECONDS))
    return average_cores(((share, day, float(n)) for share, day, n in rows), now, half_life)


def measure_quotas(quotas: Iterable[Quota] | None = None, *, now: datetime) -> int:
    """Write how much of each quota is used, or of some; answer how many are used up."""
    today, over = now.astimezone(UTC).date(), 0
    for quota in Quota.objects.all() if quotas is None else quotas:
        first = today - timedelta(days=quota.days - 1)
        whose = {"user" if quota.kind == Quota.Kind.USER else "group": quota.name}
        rows = Usage.objects.filter(day__gte=first, **whose)
        quota.used = (rows.aggregate(n=Sum(_CORE_SECONDS))["n"] or 0) / 3600
        Quota.objects.filter(pk=quota.pk).update(used=quota.used)
        over += bool(quota.over)
    return over
