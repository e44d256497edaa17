"""The app's name in Django: it has pages, and no tables."""

from __future__ import annotations

from django.apps import AppConfig


class MonitorConfig(AppConfig):
    name = "server.monitor"
    label = "monitor"
    verbose_name = "Monitor"
