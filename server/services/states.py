"""How a run of a service ended, and who asked for it."""

from __future__ import annotations

from django.db import models


class Outcome(models.TextChoices):
    OK = "ok", "done"
    NOTHING = "nothing", "nothing to do"
    FAILED = "failed", "failed"
    LOST = "lost_lease", "lost its lease"
    SKIPPED = "skipped", "skipped"


class Asked(models.TextChoices):
    """Why a service is to run now."""

    SCHEDULE = "schedule", "its time has come"
    WAKE = "wake", "something happened"
    PERSON = "person", "somebody asked"
