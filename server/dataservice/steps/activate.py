"""Step: jobs whose inputs are ready enter the queue, and jobs whose inputs cannot come end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from server.dataservice.models import Wait, WaitingJob
from server.taskbuffer import logic as taskbuffer

SERVICE = "dataservice.activate"
#: Jobs of one transaction.
AT_ONCE = 500
#: Most jobs of one run.
MOST = 100_000


def activate(*, now: datetime, keep: Callable[[], None]) -> tuple[int, int]:
    """Answer how many jobs went into the queue, and how many failed."""
    activated = failed = 0
    for _ in range(MOST // AT_ONCE):
        keep()
        went, ended = _some(now)
        activated, failed = activated + went, failed + ended
        if not went and not ended:
            break
    return activated, failed


@transaction.atomic
def _some(now: datetime) -> tuple[int, int]:
    """Let the next jobs go, in the transaction that forgets what they waited for."""
    ready = WaitingJob.objects.select_for_update().filter(missing=0).order_by("pk")[:AT_ONCE]
    going = [job.pk for job in ready]
    activated = taskbuffer.activate(going, by=SERVICE, now=now) if going else []
    hopeless = WaitingJob.objects.select_for_update().filter(missing__gt=0, hopeless__gt="").order_by("pk")[:AT_ONCE]
    words = {job.pk: job.hopeless for job in hopeless}
    failed = taskbuffer.fail_waiting(words, by=SERVICE, now=now) if words else []
    over = [*going, *words]
    Wait.objects.filter(job__in=over).delete()
    WaitingJob.objects.filter(pk__in=over).delete()
    return (len(activated) or len(going)), (len(failed) or len(words))
