"""``compass-server serve``: answer pilots, tools and browsers until SIGTERM."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from server.accounts.certificates import secret_in
from server.accounts.issuers import BadIssuers, issuers_in
from server.lib import ed25519
from server.lib.database import unfit
from server.manage import process, schema


class Command(BaseCommand):
    help = "Answer pilots, tools and browsers until SIGTERM or Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=int, default=25080, help="port to listen on (default: 25080)")
        parser.add_argument("--workers", type=int, default=2, help="processes that answer (default: 2)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.HOME / "secret_key").is_file():
            raise CommandError(f"{settings.HOME} is no server's home yet; run `compass-server init` first")
        _refuse_unusable_files()
        if words := unfit():
            raise CommandError(words)
        if words := schema.unfit(connection):
            raise CommandError(words)
        connection.close()
        path = settings.ENVIRONMENT.socket
        place = process.Place(options["host"], options["port"], Path(path).expanduser().absolute() if path else None)
        if words := forgeable(place):
            self.stderr.write(words)
        process.serve(place, workers=options["workers"], say=self.say)

    def say(self, words: str) -> None:
        """Say something at once: whoever started this waits for it."""
        self.stdout.write(words)
        self.stdout.flush()


def forgeable(place: process.Place) -> str:
    """Say in words when what proves a front travels over the network, where it can be read."""
    if place.path or not settings.ENVIRONMENT.front_secret_file or place.host in {"localhost", "127.0.0.1", "::1"}:
        return ""
    words = f"{place.host} is not the loopback: the front's secret travels unencrypted, and who reads it can be anybody"
    return f"warning: {words}; let the front reach the server by 127.0.0.1, or by COMPASS_SERVER_SOCKET"


def _refuse_unusable_files() -> None:
    """Refuse files that the settings name and that are not what they should be; rather now than when a call needs one.

    Raises:
        CommandError: as it says.
    """
    if settings.SIGNING_KEY is not None and not settings.SIGNING_KEY.is_file():
        words = f"COMPASS_SERVER_SIGNING_KEY: {settings.SIGNING_KEY} is no file"
        raise CommandError(f"{words}; `compass-server signing_key` makes it")
    if settings.SIGNING_KEY is not None:
        try:
            ed25519.sign(b"any text", settings.SIGNING_KEY)  # rather now than when the first job comes
        except ed25519.SigningFailed as failed:
            raise CommandError(f"COMPASS_SERVER_SIGNING_KEY: {failed}") from failed
    try:
        secret_in(settings.ENVIRONMENT.front_secret_file)
    except OSError as wrong:
        raise CommandError(f"COMPASS_SERVER_FRONT_SECRET_FILE: {wrong.filename}: {wrong.strerror}") from wrong
    try:
        issuers_in(settings.ENVIRONMENT.issuers_file)
    except BadIssuers as wrong:
        raise CommandError(f"COMPASS_SERVER_ISSUERS_FILE: {wrong}") from wrong
