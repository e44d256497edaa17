"""The tables of steering: what was decided of each task's submission, the rules for failures, and resends."""

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
