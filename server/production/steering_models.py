"""The tables of steering: what was decided of each task's submission, and resends."""

from __future__ import annotations

from itertools import pairwise

from django.db import models


class SubmitDecision(models.Model):
    """How many jobs of a task a cycle submitted, and why; cycles of the same outcome are one row.

    Only the latest rows of a task are kept.
    """

    task = models.ForeignKey("production.Task", models.CASCADE, related_name="decisions")
    serial = models.PositiveIntegerField(help_text="Counts a task's decisions from 1.")
    began = models.DateTimeField()
    latest = models.DateTimeField()
    times = models.PositiveIntegerField(default=1, help_text="How many cycles in a row decided so.")
    number = models.PositiveIntegerField(help_text="Jobs that were to be submitted.")
    sent = models.PositiveIntegerField(help_text="Jobs that were.")
    words = models.CharField(max_length=500, blank=True, help_text="Why fewer were sent than decided.")
    trace = models.JSONField(help_text="What each rule made of the number, and why.")
    facts = models.JSONField(help_text="What it was decided from.")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["task", "serial"], name="a_decision_once_in_a_task")]

    def __str__(self) -> str:
        return f"{self.task}: {self.sent} of {self.number} jobs"

    @property
    def reason(self) -> str:
        """Answer what the last rule said that has changed the number."""
        steps = self.trace
        changed = [step for before, step in pairwise(steps) if step["number"] != before["number"]]
        return str((changed or steps)[-1 if changed else 0]["reason"])


class Resend(models.Model):
    """What somebody had made again of a task, and why; perhaps its undoing."""

    task = models.ForeignKey("production.Task", models.CASCADE, related_name="resends")
    wish = models.JSONField(help_text="What was asked for.")
    words = models.CharField(max_length=200)
    by = models.CharField(max_length=250, db_column="sent_by")
    why = models.CharField(max_length=400)
    at = models.DateTimeField(db_column="sent_at")
    counts = models.JSONField(help_text="What was made again: chunks, merges, checks, outputs, jobs that were ended.")
    undone_by = models.CharField(max_length=250, blank=True, default="")
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_why = models.CharField(max_length=400, blank=True, default="")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"resend {self.pk}: {self.words}"


class ResendRow(models.Model):
    """One row of a resend as it was before: a task, a chunk, a merge (also one set apart), a cross-check, or a file."""

    resend = models.ForeignKey(Resend, models.CASCADE, related_name="rows")
    table = models.CharField(max_length=10, db_column="of_table")
    key = models.BigIntegerField(db_column="row_key")
    before = models.JSONField(help_text="What was written over.")

    class Meta:
        indexes = [models.Index(fields=["table", "key"], name="resends_of_a_row")]

    def __str__(self) -> str:
        return f"{self.table} {self.key}"
