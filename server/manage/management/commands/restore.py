"""``compass-server restore``: bring a server back from an archive of ``compass-server backup``."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from server.lib.database import unfit
from server.manage.archive import ArchiveRefused
from server.manage.backup import restore
from server.manage.dumps import DumpFailed


class Command(BaseCommand):
    help = "Bring a server back from an archive, into an empty home and database. No server may run on them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the archive")
        parser.add_argument("--replace", action="store_true", help="put it in the place of the server that is there")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"].expanduser().absolute()
        try:
            if settings.ENVIRONMENT.database and (words := unfit()):
                raise CommandError(words)
            made = restore(path, replace=options["replace"])
        except ArchiveRefused as refused:
            raise CommandError(f"nothing was changed: {refused}") from refused
        except DumpFailed as failed:
            raise CommandError(f"the database is not restored: {failed}; mend that, and say --replace") from failed
        self.stdout.write(f"restored: {settings.HOME}, as it was at {made.made_at}")
        if not made.secrets:
            self.stdout.write(f"the archive has no keys: put credential_keys and secret_key into {settings.HOME} first")
        self.stdout.write("next: `compass-server init`, which makes what is missing; then check, serve and services")
