"""``compass-server pilot_script``: print a script that submits pilots by hand to a batch system."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from server.factory.launch import sha256_of
from server.factory.scripts import MB, PilotJob, ScriptRefused, render, systems


class Command(BaseCommand):
    help = "Print a script for a batch system, for sites that submit pilots by hand."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        bundle = str(settings.PILOT_BUNDLE or "")
        parser.add_argument("--system", required=True, choices=systems(), help="the batch system")
        parser.add_argument("--queue", required=True, help="the pilots' queue, as schedconfig names it")
        parser.add_argument("--token", required=True, metavar="FILE", help="the file with the pilots' token")
        parser.add_argument("--url", default=settings.PILOT_SERVER_URL, help="the server (default: COMPASS_SERVER_URL)")
        parser.add_argument("--bundle", default=bundle, metavar="WHERE", help="a file, or an http(s) address")
        parser.add_argument("--sha256", default="", metavar="HASH", help="its hash (default: of this server's bundle)")
        parser.add_argument("--wrapper", default=str(settings.PILOT_WRAPPER), metavar="FILE", help="pilot-wrapper.sh")
        parser.add_argument("--scratch", default="", metavar="DIR", help="where pilots work on the nodes")
        parser.add_argument("--partition", default="", help="the batch system's own queue")
        parser.add_argument("--account", default="", help="whom the batch system charges")
        parser.add_argument("--count", type=int, default=1, help="pilots (default: 1)")
        parser.add_argument("--cores", type=int, default=1, help="of each pilot (default: 1)")
        parser.add_argument("--memory", type=int, default=2000, metavar="MB", help="of each pilot (default: 2000)")
        parser.add_argument("--disk", type=int, default=10000, metavar="MB", help="of each pilot (default: 10000)")
        parser.add_argument("--hours", type=int, default=24, help="that each pilot may run (default: 24)")
        parser.add_argument("options", nargs="*", help="after --: words for the wrapper, then for the pilot")

    def handle(self, *args: Any, **options: Any) -> None:
        same = ("queue", "url", "wrapper", "token", "bundle", "scratch", "partition", "account", "count", "cores")
        try:
            job = PilotJob(
                **{name: options[name] for name in same},
                sha256=options["sha256"].lower() or _hash(settings.PILOT_BUNDLE),
                memory=options["memory"] * MB,
                disk=options["disk"] * MB,
                wall_time=options["hours"] * 3600,
                options=tuple(options["options"]),
            )
            self.stdout.write(render(options["system"], job), ending="")
        except ScriptRefused as refused:
            raise CommandError(str(refused)) from refused


def _hash(bundle: Path | None) -> str:
    if bundle is None or not bundle.is_file():
        raise CommandError("--sha256: this server has no bundle of its own (COMPASS_SERVER_BUNDLE); give the hash")
    return sha256_of(bundle)
