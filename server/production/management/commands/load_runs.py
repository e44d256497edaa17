"""``compass-server load_runs FILE``: the catalogue of runs learns which raw files runs have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from server.pandaconfig.queries import storages_json
from server.production.catalogue import load
from server.production.raw_lists import read_raw_lines


class Command(BaseCommand):
    help = "Load a list of raw files into the catalogue of runs: lines 'run, file, events', or files alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("list", help="the list; - reads standard input")
        parser.add_argument("--home", default="", help="what stands in each line before the storage's folders")
        parser.add_argument("--endpoint", default="", help="the files' storage (default: that of a task's queue)")

    def handle(self, *args: Any, **options: Any) -> None:
        endpoint, known = options["endpoint"], sorted(storages_json())
        if endpoint and endpoint not in known:
            raise CommandError(f"--endpoint: {endpoint!r} is no storage; known are {', '.join(known) or 'none'}")
        try:
            text = sys.stdin.read() if options["list"] == "-" else Path(options["list"]).read_text()
            for _ in read_raw_lines(text, home=options["home"]):  # all of it, or nothing
                pass
            written = load(read_raw_lines(text, home=options["home"]), endpoint=endpoint)
        except (OSError, ValueError) as wrong:
            raise CommandError(f"{options['list']}: {wrong}") from wrong
        self.stdout.write(f"{written} raw files are in the catalogue of runs")
