"""The app of credentials and secrets."""

from __future__ import annotations

from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    name = "server.credentials"
    verbose_name = "Credentials"
