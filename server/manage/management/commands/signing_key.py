"""``compass-server signing_key``: make the pair of keys by which pilots know that a job is as it was submitted."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from server.lib import ed25519


class Command(BaseCommand):
    help = "Make the pair of keys by which pilots know that a job is as it was submitted."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--file",
            type=Path,
            help="the private key's file, mode 0600; the public one gets .pub at its end"
            " (default: COMPASS_SERVER_SIGNING_KEY, else signing_key.pem in the server's home)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        private: Path = options["file"] or settings.SIGNING_KEY or settings.HOME / "signing_key.pem"
        public = Path(f"{private}.pub")
        try:
            ed25519.make_keys(private, public)
        except ed25519.SigningFailed as failed:
            raise CommandError(str(failed)) from failed
        self.stdout.write(f"written: {private} (COMPASS_SERVER_SIGNING_KEY of the server: it stays on this machine)")
        self.stdout.write(f"written: {public} (verify.keys of the pilots)")
