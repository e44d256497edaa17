"""The tables of clean-up: whose files are kept by a person's wish, and what was asked to be removed.

Requests are the data service's: here only their numbers are kept.
"""

from __future__ import annotations

from django.db import models


class RemovalState(models.TextChoices):
    ASKED = "asked", "asked"
    REMOVED = "removed", "removed"
    FAILED = "failed", "failed"


class Cleaning(models.Model):
    """When a task is looked at next, and who wants it to be kept."""

    task = models.OneToOneField("production.Task", models.CASCADE, primary_key=True, related_name="cleaning")
    due = models.DateTimeField(null=True, blank=True, db_index=True, help_text="empty: at once")
    kept = models.CharField(max_length=700, blank=True, help_text="who keeps it and why; empty: nobody does")

    class Meta:
        ordering = ["task"]

    def __str__(self) -> str:
        return f"{self.task}: {self.kept or 'may be cleaned up'}"


class Removal(models.Model):
    """One file that was asked to be removed from its storage."""

    output = models.OneToOneField("production.Output", models.CASCADE, primary_key=True, related_name="removal")
    # A file that is made again is another one, and nothing of this is true of it.
    job_file_id = models.BigIntegerField(help_text="the task buffer's file that was asked for")
    request = models.BigIntegerField(null=True, blank=True, db_index=True, help_text="the data service's, the last one")
    endpoint = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=RemovalState.choices)
    tries = models.PositiveIntegerField(default=0, help_text="requests that were made for it")
    due = models.DateTimeField(null=True, blank=True, help_text="when it is asked for again; empty: it is not")
    since = models.DateTimeField()
    words = models.CharField(max_length=500, blank=True, help_text="why it could not be removed")

    class Meta:
        ordering = ["output"]
        indexes = [models.Index(fields=["state", "request"], name="removals_by_state")]

    def __str__(self) -> str:
        return f"{self.output}: {self.state}"
