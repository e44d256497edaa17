"""``compass-server usage``: makes the sums of some days anew, from the jobs' rows and the archive."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from server.accounting.logic import Held
from server.accounting.queries import kept
from server.accounting.rebuild import rebuild


class Command(BaseCommand):
    help = "Make the sums of usage of some days anew, from the jobs and the archive."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        again = verbs.add_parser(
            "rebuild", help="make the sums of some days anew, or of the months that are kept of them"
        )
        again.add_argument("--first", type=date.fromisoformat, required=True, help="the first day, as 2026-11-01 (UTC)")
        again.add_argument("--last", type=date.fromisoformat, help="the last day (default: the first)")

    def handle(self, *args: Any, **options: Any) -> None:
        first: date = options["first"]
        last: date = options["last"] or first
        if last < first:
            raise CommandError(f"--last: {last} is before {first}")
        first, last = kept().whole(first, last)
        _refuse_forgotten(first)
        try:
            rows = rebuild(first, last)
        except Held as held:
            raise CommandError(str(held)) from held
        self.stdout.write(f"{first} to {last}: {rows} rows")


def _refuse_forgotten(first: date) -> None:
    """Refuse days of which jobs are forgotten: their sums would become too small."""
    purge = settings.ENVIRONMENT.purge_after
    if purge and datetime.combine(first, time(), UTC) < timezone.now() - timedelta(seconds=purge):
        words = f"jobs are forgotten {purge} s after their end (COMPASS_SERVER_PURGE_AFTER), and sums with them"
        raise CommandError(f"--first: {first} is too long ago: {words} would be too small; give a later day")
