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
        steps = parser.add_mutually_exclusive_group()
        steps.add_argument(
            "--next", action="store_true", help="make the pair that follows: its public key goes to nodes"
        )
        steps.add_argument("--turn", action="store_true", help="sign with the pair that follows, from now on")

    def handle(self, *args: Any, **options: Any) -> None:
        private: Path = options["file"] or settings.SIGNING_KEY or settings.HOME / "signing_key.pem"
        try:
            if options["turn"]:
                self.turn(private)
            else:
                self.make(Path(f"{private}.next") if options["next"] else private)
        except ed25519.SigningFailed as failed:
            raise CommandError(str(failed)) from failed

    def make(self, private: Path) -> None:
        public = Path(f"{private}.pub")
        ed25519.make_keys(private, public)
        if private.suffix == ".next":
            self.stdout.write(f"written: {private} (signs nothing before --turn)")
            self.stdout.write(f"written: {public} (verify.keys of the pilots, beside the old one)")
        else:
            self.stdout.write(
                f"written: {private} (COMPASS_SERVER_SIGNING_KEY of the server: it stays on this machine)"
            )
            self.stdout.write(f"written: {public} (verify.keys of the pilots)")

    def turn(self, private: Path) -> None:
        ed25519.turn_keys(private)
        self.stdout.write(f"turned: {private} signs new jobs; the old pair is {private}.old and {private}.old.pub")
        self.stdout.write("take the old public key from verify.keys when the last job that it signed is done")
