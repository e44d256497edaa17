"""The two tables of resets: who brought which jobs back into the queue, why, and what they were before.

Numbers instead of foreign keys: what is remembered of a job outlives its move to the archive.
"""

from __future__ import annotations

from django.db import models


class Reset(models.Model):
    """One reset of many jobs, and perhaps its undoing."""

    at = models.DateTimeField(db_column="reset_at")
    by = models.CharField(max_length=80, db_column="reset_by")
    why = models.CharField(max_length=500)
    jobs = models.PositiveIntegerField(help_text="How many were reset.")
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=80, default="", blank=True)
    kept = models.PositiveIntegerField(default=0, help_text="Jobs that had moved on and were not undone.")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"reset {self.pk}: {self.why}"


class ResetJob(models.Model):
    """One job of a reset, as it was before."""

    reset = models.ForeignKey(Reset, on_delete=models.CASCADE, related_name="entries")
    job = models.BigIntegerField(db_index=True)
    state = models.CharField(max_length=15)
    attempt = models.PositiveSmallIntegerField()
    before = models.JSONField(help_text="What the reset has written over.")
    restored = models.BooleanField(default=False, help_text="It was undone.")

    def __str__(self) -> str:
        return f"{self.job}.{self.attempt} {self.state}"
