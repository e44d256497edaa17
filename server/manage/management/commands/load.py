"""``compass-server load``: fill a test database with jobs that wait, to see how pages and pilots fare beside them."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from pilot.contract.job import FileSpec, JobOrder, JobSpec, Role
from server.pandaconfig import logic as pandaconfig
from server.taskbuffer import logic
from server.taskbuffer.models import Job

#: Who submits these jobs, and what their queues begin with.
NAME = "LOAD"
#: Jobs of one call: what a production submits at once.
AT_ONCE = 1000
#: One job in so many differs from the others in priority.
_PRIORITIES = 7
#: Memory of a slot of these queues, and of a job that fits none, in bytes.
_SLOT, _TOO_LARGE = 2 * 10**9, 64 * 10**9


class Command(BaseCommand):
    help = "Fill a test database with jobs that wait in queues made for them (LOAD_001 ...). Not for a server in use."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--jobs", type=int, required=True, help="how many jobs")
        parser.add_argument("--queues", type=int, default=10, help="in how many queues (default: 10)")
        parser.add_argument(
            "--unfit", type=int, default=0, metavar="PERCENT", help="so many need more memory than a slot has"
        )
        parser.add_argument("--files", type=int, default=2, help="outputs of each job (default: 2)")
        parser.add_argument("--anyway", action="store_true", help="also beside jobs of others")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, low, high in (("jobs", 1, 10**8), ("queues", 1, 999), ("unfit", 0, 100), ("files", 0, 100)):
            if not low <= options[name] <= high:
                raise CommandError(f"--{name}: {options[name]} is not between {low} and {high}")
        if not options["anyway"] and Job.objects.exclude(user=NAME).exists():
            raise CommandError("this database holds jobs of others; use a test database, or say --anyway")
        queues = [f"{NAME}_{number:03}" for number in range(1, options["queues"] + 1)]
        for queue in queues:
            pandaconfig.define_queue(described(queue))
        began, told = time.monotonic(), 0
        orders = made_up(options["jobs"], queues, unfit=options["unfit"], files=options["files"])
        while piece := [order for _, order in zip(range(AT_ONCE), orders, strict=False)]:
            told += len(logic.submit(piece, by=NAME))
        seconds = time.monotonic() - began
        self.stdout.write(f"{told} jobs wait in {len(queues)} queues; {told / max(seconds, 1e-9):.0f} jobs/s")


def described(queue: str) -> dict[str, Any]:
    """Describe a queue of one core and 2 GB, online, which no factory serves."""
    return {
        "nickname": queue,
        "status": "online",
        "corecount": 1,
        "maxrss": _SLOT // 10**6,
        "maxtime": 86400,
        "maxwdir": 20000,
        "comment_": "made by compass-server load",
    }


def made_up(jobs: int, queues: list[str], *, unfit: int, files: int) -> Iterator[JobOrder]:
    """Answer jobs, spread evenly over queues and priorities; ``unfit`` of 100 need more memory than a slot has."""
    outputs = tuple(FileSpec(f"out.{number}.root", Role.OUTPUT) for number in range(files))
    for number in range(jobs):
        turn = number // len(queues)  # so that each queue has its part of every kind
        spec = JobSpec(
            id=0,
            attempt=0,
            transformation="true",
            user=NAME,
            priority=turn % _PRIORITIES * 100,
            memory=_TOO_LARGE if turn % 100 < unfit else _SLOT,
            outputs=outputs,
        )
        yield JobOrder(spec=spec, queue=queues[number % len(queues)])
