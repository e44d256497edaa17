"""The app's name in Django, and its checks."""

from __future__ import annotations

from django.apps import AppConfig


class ManageConfig(AppConfig):
    name = "server.manage"
    label = "manage"
    verbose_name = "Server"

    def ready(self) -> None:
        """Have `compass-server check` look at what is told of a front, and brokerage choose queues for new tries."""
        from django.core import checks

        from server.brokerage.queries import elsewhere
        from server.manage.browser_checks import check_browsers, check_deployed
        from server.manage.checks import check_front, check_issuers
        from server.taskbuffer import followers

        followers.register_chooser(elsewhere)
        checks.register(check_front, checks.Tags.security)
        checks.register(check_issuers, checks.Tags.security)
        checks.register(check_browsers, checks.Tags.security)
        checks.register(check_deployed, checks.Tags.security, deploy=True)
