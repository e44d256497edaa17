"""The app of the periodic services; makes our Celery application the current one in every process of the server."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ServicesConfig(AppConfig):
    name = "server.services"
    verbose_name = "Periodic services"

    def ready(self) -> None:
        # The admin pages of django-celery-beat send messages too, from the web server.
        import_module("server.celery")
