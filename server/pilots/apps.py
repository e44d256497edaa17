"""The app of the pilots: what was submitted to batch systems, and what became of it."""

from __future__ import annotations

from django.apps import AppConfig


class PilotsConfig(AppConfig):
    name = "server.pilots"
    verbose_name = "Pilots"
