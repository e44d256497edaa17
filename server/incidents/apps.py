"""The app of the server's own failures."""

from __future__ import annotations

from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "server.incidents"
    verbose_name = "Incidents"
