"""The app of the pilot factory."""

from __future__ import annotations

from django.apps import AppConfig


class FactoryConfig(AppConfig):
    name = "server.factory"
    verbose_name = "Pilot factory"
