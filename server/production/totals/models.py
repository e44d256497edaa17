"""The table of what each task has made."""

from __future__ import annotations

from django.db import models

from server.production.models import Task


class TaskTotals(models.Model):
    """What a task has made as of a moment. Results are the files that its chain keeps, such as merged mDSTs."""

    task = models.OneToOneField(Task, models.CASCADE, primary_key=True, related_name="totals")
    runs = models.PositiveIntegerField(default=0)
    chunks = models.PositiveIntegerField(default=0)
    finished = models.PositiveIntegerField(default=0, help_text="chunks that are finished")
    failed = models.PositiveIntegerField(default=0, help_text="chunks that failed or wait for a person")
    events = models.PositiveBigIntegerField(default=0, help_text="in finished chunks")
    results = models.PositiveIntegerField(default=0, help_text="files")
    result_events = models.PositiveBigIntegerField(default=0, help_text="in results that count events")
    result_bytes = models.PositiveBigIntegerField(default=0)
    taped = models.PositiveIntegerField(default=0, help_text="results that are verified on tape")
    taped_bytes = models.PositiveBigIntegerField(default=0)
    counted = models.DateTimeField(help_text="what moved later is not in it")

    class Meta:
        verbose_name_plural = "task totals"

    def __str__(self) -> str:
        return f"{self.task}: {self.finished} of {self.chunks} chunks"
