"""``compass-server services``: run the periodic services until SIGTERM."""

from __future__ import annotations

from typing import Any

from celery import signals
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from server.celery import app
from server.incidents.handler import install
from server.services import schedules
from server.services.registry import declared
from server.services.worker import main


def _listen(**_: object) -> None:
    """Have the log of this process listened to, for what goes wrong."""
    install()


class Command(BaseCommand):
    help = "Run the periodic services until SIGTERM. Any number of these may run at the same time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--list", action="store_true", help="List the services that are declared, and leave.")

    def handle(self, *args: Any, **options: Any) -> None:
        known = declared()
        if options["list"]:
            for one in known.values():
                self.stdout.write(f"{one.name:<28} every {one.period:>6} s  {one.what}")
            return
        schedules.install(known)
        _listen()
        # Celery sets up Django once more, and the log with it.
        signals.worker_ready.connect(_listen)
        main(app, settings.HOME)
