"""The table of pilots: one row per batch job that the factory ordered."""

from __future__ import annotations

from django.db import models

from server.pilots.states import PilotState


class Pilot(models.Model):
    """A pilot in a batch system, where ``submission`` and ``number`` find it even after a crash of the factory."""

    queue = models.CharField(max_length=60)
    batch_system = models.CharField(max_length=20)
    submission = models.CharField(max_length=61, help_text="Names one submission of the factory for ever.")
    number = models.PositiveIntegerField(help_text="Which pilot of that submission.")
    batch_id = models.CharField(max_length=80, blank=True, db_index=True, help_text="Empty until it is confirmed.")
    state = models.CharField(max_length=10, choices=PilotState.choices, default=PilotState.SUBMITTED)
    exit_code = models.IntegerField(null=True, blank=True)
    words = models.CharField(
        max_length=500, blank=True, help_text="What its exit code means, or why it is lost or held."
    )
    directory = models.CharField(max_length=500, blank=True, help_text="Where its stdout and stderr lie.")
    submitted_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    jobs = models.PositiveIntegerField(default=0, help_text="Jobs that it was given.")
    last_request = models.CharField(
        max_length=64, default="", blank=True, editable=False, help_text="The last request that was counted in jobs."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["submission", "number"], name="pilot_once")]
        indexes = [
            models.Index(fields=["queue", "state"], name="pilot_of_queue"),
            models.Index(fields=["queue", "-ended_at"], name="pilot_last_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.submission}/{self.number}"
