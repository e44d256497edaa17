"""The tables of the incident log: what went wrong inside the server, and how often in each ten minutes."""

from __future__ import annotations

import logging

from django.db import models

from server.incidents.states import State


class Level(models.IntegerChoices):
    WARNING = logging.WARNING, "warning"
    ERROR = logging.ERROR, "error"
    CRITICAL = logging.CRITICAL, "critical"


class Incident(models.Model):
    """What is alike among the log's records: the same logger, words, exception and place."""

    fingerprint = models.CharField(max_length=32, unique=True, editable=False)
    app = models.CharField(max_length=40, help_text="The part of the server, or the library, that said so.")
    logger = models.CharField(max_length=120)
    level = models.PositiveSmallIntegerField(choices=Level.choices)
    words = models.CharField(max_length=300, help_text="What all of them say; N stands for numbers that differ.")
    exception = models.CharField(max_length=120, blank=True, help_text="The exception's type.")
    place = models.CharField(max_length=200, blank=True, help_text="File and function.")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    count = models.PositiveBigIntegerField(default=0)
    sample = models.TextField(
        blank=True, help_text="One of them as it was logged, with its traceback; without secrets."
    )
    host = models.CharField(max_length=120, blank=True)
    process = models.CharField(max_length=120, blank=True, help_text="Which of the server's processes it was last.")
    about = models.JSONField(default=dict, blank=True, help_text="What was in hand: request, identity, service.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.NEW)
    reopened = models.PositiveIntegerField(default=0, help_text="How often it came again after it was resolved.")
    note = models.TextField(blank=True, max_length=4000, help_text="What is known of it, for whoever meets it next.")
    by = models.CharField("person", max_length=150, blank=True, help_text="Who has moved it last.")
    moved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-last_seen", "-id")
        indexes = [
            models.Index(fields=["-last_seen", "-id"], name="incidents_latest"),
            models.Index(fields=["state", "-last_seen"], name="incidents_by_state"),
            models.Index(fields=["app", "-last_seen"], name="incidents_by_app"),
            models.Index(fields=["logger"], name="incidents_by_logger"),
        ]

    def __str__(self) -> str:
        return f"{self.app}: {self.words}"[:120]


class IncidentCount(models.Model):
    """How often an incident was seen in ten minutes."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="counts")
    slot = models.DateTimeField(help_text="When the ten minutes begin.")
    count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-slot",)
        constraints = [models.UniqueConstraint(fields=["incident", "slot"], name="incidents_one_count")]
        indexes = [models.Index(fields=["slot"], name="incidents_count_slot")]

    def __str__(self) -> str:
        return f"{self.slot:%Y-%m-%d %H:%M}: {self.count}"
