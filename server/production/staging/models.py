"""The tables of staging: where a task's raw files lie, what was asked of tapes, and each chunk's file on its way.

Requests and files are the data service's: here only their numbers are kept.
"""

from __future__ import annotations

from django.db import models

from server.production.staging.states import StagedState


class TaskStaging(models.Model):
    """Where the raw files of a task lie, found out once, and why no more of them are being asked for."""

    task = models.OneToOneField("production.Task", models.CASCADE, primary_key=True, related_name="staging")
    endpoints = models.JSONField(default=list, help_text="JSON: the storages of its raw files.")
    words = models.CharField(max_length=500, blank=True, help_text="Why no more of its files are asked for now.")
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["task"]

    def __str__(self) -> str:
        return f"{self.task}: {', '.join(self.endpoints)}"


class Prestage(models.Model):
    """One request to bring raw files of a task from the tapes of one storage."""

    task = models.ForeignKey("production.Task", models.CASCADE, related_name="prestages")
    request = models.BigIntegerField(unique=True, help_text="The data service's request.")
    endpoint = models.CharField(max_length=100)
    runs = models.JSONField(default=list, help_text="JSON: the runs whose files it asks for.")
    files = models.PositiveIntegerField()
    at = models.DateTimeField(db_column="asked_at")
    by = models.CharField(max_length=250, db_column="asked_by")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"request {self.request} of {self.task}"


class StagedFile(models.Model):
    """A chunk's raw file on a storage with tapes: who brings it, since when, and until when it stays on disk."""

    chunk = models.OneToOneField("production.Chunk", models.CASCADE, primary_key=True, related_name="staged")
    prestage = models.ForeignKey(
        Prestage,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="staged",
        help_text="The last request for it; empty: it was on disk.",
    )
    endpoint = models.CharField(max_length=100)
    file = models.BigIntegerField(null=True, blank=True, help_text="The data service's file; empty: not known there.")
    state = models.CharField(max_length=10, choices=StagedState.choices, default=StagedState.ASKED)
    since = models.DateTimeField(help_text="When it came into its state.")
    due = models.DateTimeField(null=True, blank=True, help_text="It is not asked for again before.")
    on_disk_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="Requests in a row that did not do.")
    words = models.CharField(max_length=500, blank=True, help_text="Why it did not come, or has left.")

    class Meta:
        ordering = ["chunk"]
        indexes = [
            models.Index(fields=["state", "endpoint"], name="staged_files_by_state"),
            models.Index(fields=["file", "state"], name="staged_files_by_file"),
        ]

    def __str__(self) -> str:
        return f"the file of {self.chunk}: {self.state}"
