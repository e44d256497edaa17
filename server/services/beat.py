"""Beat's schedule of the services, by a clock that may be put back, and by crontabs of any time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from celery import schedules
from django.db.models import QuerySet
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from server.services.crontabs import Crontab, NeverComes, next_after
from server.services.lease import CLOCK_SKEW
from server.services.models import crontab_of

#: Seconds until a crontab is looked at again, however far away its next time is: clocks are put right.
LONGEST_SLEEP = 60.0


class Calendar(schedules.BaseSchedule):
    """A crontab by our own rules: Celery's own reckons wrongly on the days when clocks change."""

    def __init__(self, crontab: Crontab) -> None:
        super().__init__()
        self.crontab = crontab

    def is_due(self, last_run_at: datetime) -> schedules.schedstate:
        now = timezone.now()
        try:
            left = (next_after(self.crontab, last_run_at) - now).total_seconds()
            if left > 0:
                return schedules.schedstate(False, min(left, LONGEST_SLEEP))
            left = (next_after(self.crontab, now) - now).total_seconds()
        except NeverComes:  # the package's own page lets a 30th of February pass: the others go on
            return schedules.schedstate(False, LONGEST_SLEEP)
        return schedules.schedstate(True, min(left, LONGEST_SLEEP))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Calendar) and other.crontab == self.crontab

    __hash__ = None  # type: ignore[assignment] # as its base


class Entry(ModelEntry):  # type: ignore[misc]
    """One row of the schedule."""

    def __init__(self, model: PeriodicTask, app: Any = None) -> None:
        super().__init__(model, app=app)
        if (crontab := crontab_of(model)) is not None:
            self.schedule = Calendar(crontab)


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Begins anew what has run at a time to come: it would not run again until that time is over."""

    Entry = Entry

    def install_default_entries(self, data: object) -> None:
        """Install none: old results are deleted by one of our own services."""

    def enabled_models_qs(self) -> QuerySet[PeriodicTask]:
        """Answer all that is on: there are few, and leaving out crontabs of other hours would lose a missed one."""
        rows: QuerySet[PeriodicTask] = PeriodicTask.objects.filter(enabled=True)
        return rows.select_related("interval", "crontab", "solar", "clocked")

    def tick(self, *args: Any, **more: Any) -> float:
        now = timezone.now()
        early = [entry for entry in (self._schedule or {}).values() if entry.last_run_at > now + CLOCK_SKEW]
        for entry in early:
            entry.last_run_at = entry.model.last_run_at = now
        if early:
            self._heap = None
        wait: float = super().tick(*args, **more)
        return wait
