"""What became of the tables that people edit: each change with both values, and states that end by themselves."""

from __future__ import annotations

import uuid

from django.db import models


class Change(models.Model):
    """One change of one row: who, when, why, and the value before and after of each column that changed.

    ``before`` is nothing where the row was made, ``after`` where it was deleted. It is written in our own database,
    also where the tables themselves are those of an existing PanDA.
    """

    class Way(models.TextChoices):
        """How somebody changed it."""

        FORM = "form", "in the form"
        ACTION = "action", "by an action on a list"
        IMPORT = "import", "by an import"
        COMMAND = "command", "by a command"
        EXPIRY = "expiry", "by itself, since its time was over"
        UNDO = "undo", "by undoing a change"
        PROGRAM = "program", "by a program"

    table = models.CharField(max_length=30)
    key = models.CharField(max_length=250, help_text="The row's name, or its number.")
    label = models.CharField(max_length=300, default="", blank=True, help_text="The row as people know it.")
    at = models.DateTimeField(db_index=True)
    person = models.CharField(max_length=150, help_text="Who did it; empty: the server itself.", blank=True)
    way = models.CharField(max_length=10, choices=Way.choices)
    reason = models.CharField(max_length=500, default="", blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    batch = models.CharField(
        max_length=36, default="", blank=True, help_text="What changes of one import or action share."
    )
    undoes = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="undone_by")

    class Meta:
        ordering = ("-id",)
        verbose_name = "change"
        indexes = [
            models.Index(fields=["table", "key", "-id"], name="pandaconfig_change_of"),
            models.Index(fields=["batch"], name="pandaconfig_change_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.table} {self.label or self.key} {self.at:%Y-%m-%d %H:%M:%S}"


class StatusHold(models.Model):
    """A status that was set for a time: when it is over the queue gets back what it had, unless somebody changed it."""

    queue = models.CharField(max_length=60, primary_key=True)
    status = models.CharField(max_length=10, help_text="What it was set to.")
    back_to = models.CharField(max_length=10, help_text="What it gets back.")
    until = models.DateTimeField(db_index=True)
    person = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=500)
    since = models.DateTimeField()

    class Meta:
        ordering = ("until",)
        verbose_name = "status for a time"
        verbose_name_plural = "statuses for a time"

    def __str__(self) -> str:
        return f"{self.queue}: {self.status} until {self.until:%Y-%m-%d %H:%M}"


class ImportDraft(models.Model):
    """A file of rows that somebody looks at before it is written; forgotten after a day."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    table = models.CharField(max_length=30)
    text = models.TextField()
    source = models.CharField(max_length=300, help_text="The file's name, or the address that it came from.")
    make_clouds = models.BooleanField(default=False)
    person = models.CharField(max_length=150)
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-at",)
        verbose_name = "import that is looked at"
        verbose_name_plural = "imports that are looked at"

    def __str__(self) -> str:
        return f"{self.table} from {self.source}"
