"""The table of the audit log: one row for each thing that a person has done, by pages or by the interface."""

from __future__ import annotations

from django.db import models

from server.trail.states import Action


class Entry(models.Model):
    """Who did what, when, from where, and how it ended. No secret is in it."""

    at = models.DateTimeField(help_text="When the request came.")
    person = models.CharField(max_length=150, blank=True, help_text="Name of the account, or of whom the token is.")
    how = models.CharField(max_length=120, blank=True, help_text="How the person was known: password, token ...")
    address = models.CharField(max_length=45, blank=True, help_text="Where the request came from.")
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=300)
    filters = models.CharField(max_length=1000, blank=True, help_text="What stood behind the question mark.")
    action = models.CharField(max_length=10, choices=Action.choices)
    table = models.CharField(max_length=80, blank=True, help_text="What it was done to: a table, or the page's name.")
    key = models.CharField("row", max_length=200, blank=True, help_text="Which row.")
    what = models.CharField(max_length=300, blank=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Why, as the person has said.")
    outcome = models.PositiveSmallIntegerField(help_text="Status of HTTP: 2xx and 3xx are done, 4xx was refused.")
    duration = models.PositiveIntegerField(help_text="Milliseconds that the server took.")

    class Meta:
        ordering = ("-at", "-id")
        verbose_name = "entry of the audit log"
        verbose_name_plural = "audit log entries"
        indexes = [
            models.Index(fields=["-at", "-id"], name="trail_latest"),
            models.Index(fields=["person", "-at", "-id"], name="trail_of_person"),
            models.Index(fields=["action", "-at", "-id"], name="trail_of_action"),
            models.Index(fields=["table", "-at", "-id"], name="trail_of_table"),
            models.Index(fields=["table", "key", "-at"], name="trail_of_row"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.person} {self.action} {self.what or self.path}"
