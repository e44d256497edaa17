"""``compass-server check``: settings, home, database, clock, broker, certificates; each finding with its remedy."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.core.management.commands.check import Command as DjangosCommand

from server.manage.surroundings import look


class Command(DjangosCommand):
    help = "Look at settings, home, database, clock, broker and certificates; status 1 when something must be mended."

    def handle(self, *app_labels: Any, **options: Any) -> None:
        """Look at what the server stands on, too; other commands, such as the one that mends it, do not."""
        checks.register(look, "surroundings")
        super().handle(*app_labels, **options)
