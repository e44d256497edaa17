"""The app of the notifications."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import AppConfig


class NotifyConfig(AppConfig):
    name = "server.notify"
    verbose_name = "Notifications"

    def sealed_rows(self) -> Iterator[tuple[Any, str, str]]:
        """Answer what is sealed here, for who changes the keys."""
        from server.notify import queries

        return queries.sealed()
