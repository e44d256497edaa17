"""``compass-server simulate``: where jobs would go, and where if queues were others; nothing is sent anywhere."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from server.brokerage import queries
from server.brokerage.saved import BadWorld, World, read, write
from server.brokerage.simulate import Outcome, changed, compare, made_up, run

#: Reasons that are told; the most frequent first.
REASONS = 5


class Command(BaseCommand):
    help = "Place jobs without sending any: of a saved world, of this server now, or of one that is made up."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="a saved world; left out: one is made up")
        parser.add_argument("--save", type=Path, help="write this server's world now to a file, and end")
        parser.add_argument("--jobs", type=int, default=100_000, help="jobs of a made-up world (default: 100000)")
        parser.add_argument("--queues", type=int, default=50, help="queues of a made-up world (default: 50)")
        parser.add_argument("--seed", type=int, default=1, help="another number makes another world up (default: 1)")
        parser.add_argument(
            "--change", action="append", default=[], metavar="QUEUE=off", help="compare with: QUEUE=off, QUEUE.cores=16"
        )
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["save"]:
            self._save(options["save"])
            return
        world = self._world(options)
        try:
            other = changed(world, options["change"])
        except BadWorld as wrong:
            raise CommandError(f"--change {wrong}") from wrong
        began = time.monotonic()
        before = run(world)
        seconds = time.monotonic() - began
        after = run(other) if options["change"] else before
        self._tell(world, (before, after), before.jobs / max(seconds, 1e-9), options)

    def _save(self, path: Path) -> None:
        world = queries.world()
        path.write_text(write(world))
        jobs = sum(count for _, count in world.jobs)
        self.stdout.write(f"written: {path}, {len(world.snapshot.queues.facts)} queues and {jobs} queued jobs")

    def _world(self, options: dict[str, Any]) -> World:
        path = options["file"]
        if path is None:
            for name in ("jobs", "queues"):
                if options[name] < 1:
                    raise CommandError(f"--{name}: {options[name]} is less than 1")
            return made_up(options["queues"], options["jobs"], seed=options["seed"])
        try:
            return read(path.read_text())
        except OSError as wrong:
            raise CommandError(f"{path} cannot be read: {wrong.strerror}; save one by --save") from wrong
        except (BadWorld, UnicodeDecodeError) as wrong:
            raise CommandError(f"{path}: {wrong}") from wrong

    def _tell(self, world: World, both: tuple[Outcome, Outcome], rate: float, options: dict[str, Any]) -> None:
        lines = compare(world, *both)
        before, after = both
        if options["json"]:
            told = {"jobs": before.jobs, "jobs_per_second": rate, "queues": [asdict(line) for line in lines]}
            self.stdout.write(
                json.dumps({**told, "refused": dict(before.refused), "refused_then": dict(after.refused)})
            )
            return
        then = " then      change" if options["change"] else ""
        self.stdout.write(f"{'queue':24} {'slots':>8} {'queued':>8} {'sent':>8}{then and ' ' * 4}{then}")
        for line in lines:
            change = f" {line.after:>8} {line.after - line.before:>+11}" if options["change"] else ""
            self.stdout.write(f"{line.queue:24} {line.slots:>8} {line.queued:>8} {line.before:>8}{change}")
        for outcome, words in ((before, "refused"), (after, "refused then"))[: 2 if options["change"] else 1]:
            total = sum(outcome.refused.values())
            self.stdout.write(f"{words}: {total} of {outcome.jobs}")
            reasons = sorted(outcome.refused.items(), key=lambda reason: -reason[1])
            for reason, count in reasons[:REASONS]:
                self.stdout.write(f"  {count}: {reason}")
        self.stdout.write(f"{before.jobs} jobs were placed at {rate:.0f} jobs/s")
