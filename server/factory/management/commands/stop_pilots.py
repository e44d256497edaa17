"""``compass-server stop_pilots``: cancel every pilot that the factory has, and wait for their end."""

from __future__ import annotations

import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from server.batch.base import BatchFailed
from server.factory import logic, setup

#: Seconds between two looks at the batch systems, which do not call when a job ends.
LOOK = 0.2


class Command(BaseCommand):
    help = "Cancel every pilot of the factory and wait until all have ended. Stop the services first."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wait", type=float, default=120.0, metavar="SECONDS", help="longest wait (default: 120)")

    def handle(self, *args: Any, **options: Any) -> None:
        deadline = time.monotonic() + options["wait"]
        pause = threading.Event()
        while words := _why_not_over():
            if time.monotonic() > deadline:
                raise CommandError(f"{words} in {options['wait']:g} s; call again to go on waiting")
            pause.wait(LOOK)
        self.stdout.write("no pilot runs")


def _why_not_over() -> str:
    """Order all pilots to stop; say what is left, nothing if nothing is."""
    try:
        left = logic.stop_pilots(timezone.now(), system_of=setup.systems())
    except BatchFailed as error:
        return f"not all batch systems have answered ({error})"
    return f"{left} pilots have not ended" if left else ""
