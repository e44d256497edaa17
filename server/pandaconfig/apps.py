"""The app of queues, clouds, storages, shares and people's limits."""

from __future__ import annotations

from django.apps import AppConfig


class PandaconfigConfig(AppConfig):
    name = "server.pandaconfig"
    verbose_name = "Queues and storages"
