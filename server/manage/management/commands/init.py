"""``compass-server init``: make the home, the tables, the secrets and the first tokens; done twice it harms nothing."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from pilot.contract.codec import ContractError
from server.lib.database import unfit
from server.manage import home
from server.manage.local_queue import define_local_queue


class Command(BaseCommand):
    help = "Make the server's home: database, secrets, first tokens, and a queue of this machine if asked for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--local-queue", metavar="NAME", help="define a queue that runs on this machine")
        parser.add_argument("--storage", metavar="FOLDER", type=Path, help="where that queue's files lie")
        parser.add_argument("--cores", type=int, default=1, help="cores of one slot of that queue (default: 1)")
        parser.add_argument("--memory", type=int, default=2000, help="memory of one slot in MB (default: 2000)")

        parser.add_argument("--slots", type=int, default=2, help="its pilots at the same time (default: 2; 0: none)")
        parser.add_argument(
            "--programs", metavar="FOLDER", type=Path, help="folder that its payloads' PATH begins with"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["local_queue"]) != bool(options["storage"]):
            raise CommandError("--local-queue and --storage belong together: give both, or none")
        os.umask(0o077)
        folder = settings.HOME
        home.make_folder(folder)
        home.write_key(folder)
        home.write_credential_key(folder)
        if words := unfit():
            raise CommandError(words)
        call_command("migrate", verbosity=0, interactive=False)
        for path in [*home.write_first_tokens(folder), home.make_administrator(folder)]:
            if path is not None:
                self.stdout.write(f"written: {path}")
        if options["local_queue"]:
            self.define_queue(options)
        self.stdout.write(f"ready: {folder}")

    def define_queue(self, options: dict[str, Any]) -> None:
        name, storage = options["local_queue"], options["storage"].absolute()
        try:
            programs = options["programs"].absolute() if options["programs"] else None
            sizes = {size: options[size] for size in ("cores", "memory", "slots")}
            define_local_queue(name, storage, programs=programs, **sizes)
        except ContractError as wrong:
            raise CommandError(str(wrong)) from wrong
        self.stdout.write(f"queue: {name}, files in {storage}")
