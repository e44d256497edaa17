"""``compass-server load_reference FILE``: sites, types of task, templates and releases from a file, at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from server.production.reference.loading import COMPASS, BadRows, Deed, load, read_rows


class Command(BaseCommand):
    help = "Load sites, types of task, templates and releases from a JSON file; loading it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file; - reads standard input; compass: the experiment's own rows")
        parser.add_argument("--dry-run", action="store_true", help="write nothing, and say what each row would become")
        parser.add_argument("--by", default="", help="the user who stands in the history of the rows")

    def handle(self, *args: Any, **options: Any) -> None:
        by = None
        if options["by"] and (by := get_user_model().objects.filter(username=options["by"]).first()) is None:
            raise CommandError(f"--by: there is no user {options['by']!r}; give the name that the admin knows")
        try:
            found = load(read_rows(_text(options["file"])), by=by, dry=options["dry_run"])
        except (OSError, UnicodeDecodeError, BadRows) as wrong:
            raise CommandError(f"{options['file']}: {wrong}") from wrong
        for one in found:
            self.stdout.write(str(one))
        if wrong_ones := [one for one in found if one.deed is Deed.WRONG]:
            raise CommandError(f"{len(wrong_ones)} of {len(found)} rows are wrong: nothing was written")
        if waiting := [one for one in found if one.deed is Deed.WAITS]:
            self.stdout.write(f"{len(waiting)} wait for queues or storages: add these, and load the file again")
        if options["dry_run"]:
            self.stdout.write("nothing was written: leave out --dry-run")


def _text(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    return (COMPASS if name == "compass" else Path(name)).read_text(encoding="utf-8")
