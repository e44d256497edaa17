"""The app's name in Django."""

from __future__ import annotations

from django.apps import AppConfig


class AccountingConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "server.accounting"
    label = "accounting"
    verbose_name = "Accounting"

    def ready(self) -> None:
        """Keep jobs out of the archive until what they have used is counted."""
        from server.accounting.queries import position
        from server.taskbuffer import followers

        followers.register("accounting.fold", position)
