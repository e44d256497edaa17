"""``compass-server backup``: the database, keys and tokens of a server as one archive, while it runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from server.manage.archive import ArchiveRefused, verify
from server.manage.backup import back_up, files_elsewhere
from server.manage.dumps import DumpFailed


class Command(BaseCommand):
    help = "Write database, keys, tokens and settings to one archive, mode 0600, and verify it; the server may run."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the archive, such as compass-2026-11-23.tar.gz")
        parser.add_argument("--without-secrets", action="store_true", help="leave the home's keys and tokens out")
        parser.add_argument("--verify", action="store_true", help="write nothing: look whether an archive is whole")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"].expanduser().absolute()
        try:
            if options["verify"]:
                made = verify(path)
                self.stdout.write(f"whole: {path}, of {made.made_at} by {made.version}, {made.database}")
                return
            made = back_up(path, secrets=not options["without_secrets"])
        except (ArchiveRefused, DumpFailed) as refused:
            raise CommandError(str(refused)) from refused
        except OSError as wrong:
            raise CommandError(f"{wrong.filename or path}: {wrong.strerror}; name a folder with room") from wrong
        self.stdout.write(f"written: {path}, {path.stat().st_size} bytes, {len(made.files)} files, verified")
        if options["without_secrets"]:
            self.stdout.write(
                f"not in it: keys and tokens of {settings.HOME}; without them what is sealed stays sealed"
            )
        for file in files_elsewhere(settings.HOME):
            self.stdout.write(f"not in it: {file}, which a setting names")
