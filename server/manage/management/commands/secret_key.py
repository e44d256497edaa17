"""``compass-server secret_key``: change the key that signs passes and sessions, in three steps and without a break."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from server.manage import secret_key

_RESTART = "start `compass-server serve` and the services again"


class Command(BaseCommand):
    help = "Change the key that signs passes and sessions: add, use, drop, with a new start after each."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("add", help="make another key, which is believed, and signs nothing yet")
        verbs.add_parser("use", help="sign with it; what was signed by the old one stays good")
        verbs.add_parser("drop", help="believe the old one no longer: what is signed by it ends")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"])()
        except secret_key.KeyRefused as refused:
            raise CommandError(str(refused)) from refused

    def add(self) -> None:
        secret_key.add(settings.HOME / "secret_key")
        self.stdout.write(f"added: {_RESTART}, on every machine that has this file; then `secret_key use`")

    def use(self) -> None:
        secret_key.use(settings.HOME / "secret_key")
        hours = settings.ENVIRONMENT.pass_hours
        self.stdout.write(f"used: {_RESTART}; after {hours} hours, when old passes have ended, `secret_key drop`")

    def drop(self) -> None:
        gone = secret_key.drop(settings.HOME / "secret_key")
        self.stdout.write(f"dropped: {gone}; {_RESTART}")
