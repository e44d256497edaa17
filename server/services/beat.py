"""Beat's schedule of the services, by a clock that may be put back."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler

from server.services.lease import CLOCK_SKEW


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Begins anew what has run at a time to come: it would not run again until that time is over."""

    def tick(self, *args: Any, **more: Any) -> float:
        now = timezone.now()
        early = [entry for entry in (self._schedule or {}).values() if entry.last_run_at > now + CLOCK_SKEW]
        for entry in early:
            entry.last_run_at = entry.model.last_run_at = now
        if early:
            self._heap = None
        wait: float = super().tick(*args, **more)
        return wait
