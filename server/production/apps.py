"""The app's name in Django."""

from __future__ import annotations

from django.apps import AppConfig


class ProductionConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "server.production"
    label = "production"
    verbose_name = "Production"

    def ready(self) -> None:
        """Keep jobs out of the archive until it was seen what became of them, and replaced ones out of resets."""
        from server.production.steps.collect import position
        from server.production.steps.retry import replaced
        from server.taskbuffer import followers

        followers.register("production.collect", position)
        followers.register_owner("production.retry", replaced)
