"""The tables of usage: sums by day, how far they reach, what fair shares read of them, and quotas.

Only this app writes them; quotas are edited by people. Days are days of UTC, sizes bytes, and times seconds.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from server.pandaconfig.queries import groups_with_shares


def _sum(words: str = "") -> models.BigIntegerField[int, int]:
    return models.BigIntegerField(default=0, help_text=words)


class Usage(models.Model):
    """What ended on one day, of one kind: a row for each combination that there was."""

    day = models.DateField()
    user = models.CharField(max_length=250, default="", blank=True, db_column="user_name")
    group = models.CharField(max_length=60, default="", blank=True, db_column="group_name")
    share = models.CharField(max_length=32, default="", blank=True, help_text="As the job was queued with it.")
    queue = models.CharField(max_length=60)
    task_id = models.BigIntegerField(default=0, help_text="0: of no task.")
    label = models.CharField(max_length=20)
    jobs_finished = _sum("Jobs that ended so; one that is reset and ends again counts again.")
    jobs_failed = _sum()
    jobs_cancelled = _sum()
    jobs_closed = _sum()
    attempts = _sum("Tries that ended, each once for ever.")
    attempts_failed = _sum("Those of them that failed.")
    good_core_seconds = _sum("Wall time times cores of tries that finished.")
    lost_core_seconds = _sum("The same, of all other tries.")
    cpu_seconds = _sum("As the pilots have measured it.")
    input_files = _sum("Ordered inputs of tries that began to run.")
    input_bytes = _sum("Their sizes, as far as they were known.")
    output_files = _sum("What the tries say they have stored, with logs.")
    output_bytes = _sum()

    class Meta:
        verbose_name_plural = "usage"
        constraints = (
            models.UniqueConstraint(
                fields=("day", "user", "group", "share", "queue", "task_id", "label"), name="usage_once"
            ),
        )
        indexes = (
            models.Index(fields=("user", "day"), name="usage_of_user"),
            models.Index(fields=("group", "day"), name="usage_of_group"),
        )

    def __str__(self) -> str:
        return f"{self.day} {self.user} {self.queue}"


class Failure(models.Model):
    """How many tries of a row of usage failed in one way. A try has one cause: the most telling of its numbers."""

    usage = models.ForeignKey(Usage, on_delete=models.CASCADE, related_name="failures")
    source = models.CharField(max_length=10, help_text="Whose number it is: payload, pilot, data, dispatcher, exit.")
    code = models.IntegerField()
    attempts = _sum()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("usage", "source", "code"), name="failure_once"),)

    def __str__(self) -> str:
        return f"{self.source} {self.code}: {self.attempts}"


class Bookmark(models.Model):
    """How far the events of jobs are counted. There is one row, and whoever changes sums holds it."""

    name = models.CharField(max_length=20, primary_key=True)
    position = models.BigIntegerField(default=0, help_text="The last event that is counted.")
    seen = models.BigIntegerField(default=0, help_text="The newest event when somebody looked for it.")
    seen_at = models.DateTimeField(null=True, blank=True)
    horizon = models.BigIntegerField(default=0, help_text="PostgreSQL's newest transaction then.")
    days_from = models.DateField(null=True, blank=True, help_text="Days are kept from then on, and before it months.")
    held_until = models.DateTimeField(null=True, blank=True, help_text="Nothing is counted before: days are made anew.")

    def __str__(self) -> str:
        return f"{self.name} at {self.position}"


class ShareUse(models.Model):
    """The cores that a share has had of late, on average; the past counts less and less."""

    share = models.CharField(max_length=32, primary_key=True)
    cores = models.FloatField()

    class Meta:
        verbose_name_plural = "past use of shares"

    def __str__(self) -> str:
        return f"{self.share}: {self.cores:.1f} cores"


class Quota(models.Model):
    """The most core-hours that a user or a working group may use in a number of days. People write it."""

    class Kind(models.TextChoices):
        """Whose it is."""

        USER = "user", "user"
        GROUP = "group", "working group"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=250, help_text="As in prodUserName, or in workingGroup.")
    core_hours = models.FloatField(validators=[MinValueValidator(0.0)], help_text="Wall time times cores, lost or not.")
    days = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1)], help_text="Days of UTC that are added up, with today."
    )
    used = models.FloatField(default=0.0, editable=False, help_text="Core-hours, a moment ago.")

    class Meta:
        ordering = ("kind", "name")
        constraints = (models.UniqueConstraint(fields=("kind", "name"), name="quota_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.core_hours:g} core-hours in {self.days} days"

    def clean(self) -> None:
        """Refuse a quota of a group that nothing could keep."""
        if self.kind == self.Kind.GROUP and self.name not in groups_with_shares():
            words = f"no share has the working group {self.name!r}, and a group's quota holds its share back; add one"
            raise ValidationError({"name": words})

    @property
    def over(self) -> str:
        """Say that all of it is used; nothing while it is not."""
        if self.used < self.core_hours:
            return ""
        return f"has used {self.used:.1f} core-hours of at most {self.core_hours:g} in {self.days} days"
