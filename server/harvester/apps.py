"""The app of the Harvesters."""

from __future__ import annotations

from django.apps import AppConfig


class HarvesterConfig(AppConfig):
    name = "server.harvester"
    verbose_name = "Harvesters"
