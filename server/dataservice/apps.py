"""The app's name in Django."""

from __future__ import annotations

from django.apps import AppConfig


class DataServiceConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "server.dataservice"
    label = "dataservice"
    verbose_name = "Data service"
