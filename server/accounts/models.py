"""Who may call: tokens of pilots, tools and people. A token itself is stored nowhere, only its SHA-256."""

from __future__ import annotations

from django.db import models


class Role(models.TextChoices):
    """What the bearer of a token may do; each view says which of these it lets in."""

    PILOT = "pilot", "runs jobs"
    PRODUCTION = "production", "defines and kills jobs and tasks"
    ADMIN = "admin", "may do everything"
    READER = "reader", "reads"


class Token(models.Model):
    """One token: its name is what logs and events say, its digest is what a request is looked up by."""

    name = models.CharField(max_length=80, unique=True)
    role = models.CharField(max_length=20, choices=Role.choices)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the hour.")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"
