"""The table of kinds of jobs that can never run as their queues are now, and since when.

The watchdog writes it, so that a queue that was removed or mistyped for a moment does not lose what waits in it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import models


class Blocked(models.Model):
    """One kind of jobs that no pilot of its queue can run."""

    bucket = models.OneToOneField(
        "taskbuffer.Bucket", on_delete=models.CASCADE, primary_key=True, related_name="blocked"
    )
    since = models.DateTimeField(help_text="When that was found out.")

    class Meta:
        verbose_name_plural = "blocked"

    def __str__(self) -> str:
        return f"bucket {self.bucket_id} since {self.since:%Y-%m-%d %H:%M:%S}"


def since_when(buckets: Collection[int], now: datetime) -> dict[int, datetime]:
    """Write down which kinds are blocked now; answer since when each is."""
    Blocked.objects.filter(since__gt=now).update(since=now)  # by a clock that has since been put back
    known = dict(Blocked.objects.values_list("bucket", "since"))
    if mended := sorted(known.keys() - set(buckets)):
        Blocked.objects.filter(pk__in=mended).delete()
    new = sorted(set(buckets) - known.keys())
    if new:
        Blocked.objects.bulk_create([Blocked(bucket_id=bucket, since=now) for bucket in new], ignore_conflicts=True)
    return {bucket: known.get(bucket, now) for bucket in buckets}
