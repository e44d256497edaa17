"""The tables of the periodic services: what runs, who holds it, and what became of each run."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from server.services.crontabs import Crontab
from server.services.states import Outcome


def crontab_of(schedule: PeriodicTask) -> Crontab | None:
    """Answer the crontab of a row of django-celery-beat's, if it has one."""
    row = schedule.crontab
    if row is None:
        return None
    written = (row.minute, row.hour, row.day_of_month, row.month_of_year, row.day_of_week)
    minute, hour, day, month, weekday = (field.replace(" ", "") for field in written)
    return Crontab(minute, hour, day, month, weekday, str(row.timezone))


class Service(models.Model):
    """A periodic service. Period and switch live in its schedule, which django-celery-beat owns: said once."""

    name = models.CharField(max_length=100, primary_key=True)
    what = models.CharField("what it does", max_length=200)
    schedule = models.OneToOneField(PeriodicTask, null=True, on_delete=models.SET_NULL, related_name="service")
    declared_period = models.PositiveIntegerField(help_text="Seconds between two runs, as the program declares it.")
    time_limit = models.PositiveIntegerField(
        help_text="Seconds that a run may take without a sign of life before another worker may take over."
    )
    last_run = models.DateTimeField(null=True, help_text="When the last run began.")
    last_seconds = models.FloatField("last duration", null=True, help_text="Seconds that the last run took.")
    next_run = models.DateTimeField(null=True, help_text="Not before this time; later after failures.")
    scheduled_at = models.DateTimeField(
        default=timezone.now, help_text="When its schedule began to hold: declared, changed, or switched on."
    )
    failures = models.PositiveIntegerField("failures in a row", default=0)
    wanted = models.BooleanField(default=False, help_text="Asked to run soon.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def enabled(self) -> bool:
        return self.schedule is not None and self.schedule.enabled

    @property
    def period(self) -> float | None:
        """Seconds between two runs; none where the schedule is a crontab."""
        if self.schedule is None or self.schedule.interval is None:
            return None
        return float(self.schedule.interval.schedule.run_every.total_seconds())

    @property
    def crontab(self) -> Crontab | None:
        """The crontab by which it runs; none where the schedule is a period."""
        return None if self.schedule is None else crontab_of(self.schedule)


class Lease(models.Model):
    """The right to do something alone, until it expires. The generation rises with each holder."""

    name = models.CharField(max_length=100, primary_key=True)
    owner = models.CharField(max_length=200, blank=True, help_text="host|process namespace|pid|start; empty when free.")
    generation = models.PositiveBigIntegerField(default=0)
    taken = models.DateTimeField(help_text="When it was taken, or prolonged.")
    expires = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ServiceRun(models.Model):
    """One run of a service; runs in a row that found nothing to do share a row."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="runs")
    started = models.DateTimeField()
    ended = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    times = models.PositiveIntegerField(default=1, help_text="How many such runs in a row this line stands for.")
    owner = models.CharField(max_length=200)
    figures = models.JSONField(default=dict, blank=True)
    words = models.TextField(blank=True, help_text="Why it failed, was skipped or lost its lease.")
    message = models.CharField(max_length=64, blank=True, help_text="The message that asked for it; its result's id.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["service", "-id"], name="services_run_latest")]

    def __str__(self) -> str:
        return f"{self.service_id} {self.started:%Y-%m-%d %H:%M:%S}: {self.get_outcome_display()}"

    @property
    def seconds(self) -> float:
        """How long it took; for a line of several runs from the first one's begin to the last one's end."""
        return (self.ended - self.started).total_seconds()
