"""The app of the audit log."""

from __future__ import annotations

from django.apps import AppConfig


class TrailConfig(AppConfig):
    name = "server.trail"
    verbose_name = "Audit log"

    def ready(self) -> None:
        """Hear of logins."""
        from django.contrib.auth import signals

        from server.trail import logins

        signals.user_logged_in.connect(logins.logged_in)
        signals.user_logged_out.connect(logins.logged_out)
        signals.user_login_failed.connect(logins.refused)
