"""The tables of the factory: what a queue is allowed, and what was decided for it in each cycle."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from server.factory.systems import names


def _is_list_of_words(value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValidationError('Give a list of words, such as ["--lifetime", "3600"].')


class FactoryQueue(models.Model):
    """A queue that the factory submits pilots for."""

    queue = models.CharField(
        max_length=60,
        primary_key=True,
        help_text="Its name in schedconfig.",
        # It is the name of a folder as well.
        validators=[RegexValidator(r"^[A-Za-z0-9][\w.+-]*\Z", "Give letters, digits and _ . + - only.")],
    )
    enabled = models.BooleanField(default=True)
    batch_system = models.CharField(max_length=20, default="local", choices=names)
    slots = models.PositiveIntegerField(default=2, help_text="Pilots that run at the same time.")
    max_waiting = models.PositiveIntegerField(default=10, help_text="Pilots without a slot.")
    max_per_cycle = models.PositiveIntegerField(default=10, help_text="Pilots submitted at once.")
    black_hole_pilots = models.PositiveIntegerField(
        default=3,
        validators=[MaxValueValidator(100)],
        help_text="When so many in a row fail at once, one is submitted at a time; 0 never minds.",
    )
    black_hole_seconds = models.PositiveIntegerField(default=20, help_text="Seconds within which a failure is at once.")
    black_hole_pause = models.PositiveIntegerField(default=30, help_text="Seconds between two such pilots.")
    grace = models.PositiveIntegerField(
        default=90,
        validators=[MinValueValidator(1)],
        help_text="Seconds that a pilot gets to end when it is cancelled.",
    )
    keep_files = models.PositiveIntegerField(default=7, help_text="Days that logs and directories of pilots are kept.")
    pilot_options = models.JSONField(
        default=list, blank=True, validators=[_is_list_of_words], help_text="Further words on the pilot's command line."
    )

    class Meta:
        ordering = ["queue"]

    def __str__(self) -> str:
        return self.queue


class FactoryCycle(models.Model):
    """What was decided for a queue, rule by rule; cycles in a row with the same outcome share a row."""

    queue = models.ForeignKey(FactoryQueue, on_delete=models.CASCADE, related_name="cycles")
    began = models.DateTimeField()
    latest = models.DateTimeField(help_text="The last cycle with the same outcome.")
    times = models.PositiveIntegerField(default=1)
    activated = models.IntegerField(null=True)
    waiting = models.IntegerField(null=True)
    running = models.IntegerField(null=True)
    number = models.PositiveIntegerField(help_text="Pilots to submit, after the last rule.")
    submitted = models.PositiveIntegerField(default=0)
    trace = models.JSONField(default=list, help_text="Each rule with the number it left and its reason.")
    words = models.TextField(blank=True, help_text="Why fewer were submitted than decided.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["queue", "-id"], name="factory_cycle_latest")]

    def __str__(self) -> str:
        return f"{self.queue_id} {self.began:%Y-%m-%d %H:%M:%S}: {self.number}"
