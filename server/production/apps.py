"""The app's name in Django."""

from __future__ import annotations

from django.apps import AppConfig


class ProductionConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "server.production"
    label = "production"
    verbose_name = "Production"
