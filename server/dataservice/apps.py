"""The app's name in Django."""

from __future__ import annotations

from django.apps import AppConfig


class DataServiceConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "server.dataservice"
    label = "dataservice"
    verbose_name = "Data service"

    def ready(self) -> None:
        """Keep jobs out of the archive until their files have been looked at, twice."""
        from server.dataservice.steps.follow import position
        from server.taskbuffer import followers

        followers.register("dataservice.sweep", position)
