"""The app of the files that users send along with their jobs."""

from __future__ import annotations

from django.apps import AppConfig


class UploadsConfig(AppConfig):
    name = "server.uploads"
    verbose_name = "Uploads"
