"""How long one cycle of the factory takes for a thousand queues with a hundred thousand living pilots.

The batch systems are played: they answer from memory, so that what is measured is the factory and its database. Each
cycle is measured quiet, with a part of all pilots that have changed, and with pilots to be submitted for a tenth of the
queues. The number of questions that the systems were asked in a cycle is counted, too.

    python -m benchmarks.factory [--queues 1000] [--pilots 100000] [--systems 4] [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.command import Number, run
from benchmarks.figures import Figure
from benchmarks.system import BASE

if TYPE_CHECKING:
    from server.batch.base import BatchJob, BatchSystem, Template
    from server.factory.launch import Launch
    from server.factory.logic import Cycle

#: Part of the pilots that has changed since the cycle before, and of the queues that want pilots.
CHANGED, HUNGRY = 0.02, 0.1
#: Pilots that each of these wants.
WANTED = 5


@contextmanager
def home() -> Iterator[Path]:
    """Make the server's tables in a folder of their own."""
    BASE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="factory-", dir=BASE) as folder:
        os.environ |= {"COMPASS_SERVER_HOME": folder, "DJANGO_SETTINGS_MODULE": "server.settings"}
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield Path(folder)


class Played:
    """A batch system that answers from memory and counts its questions; it does what `BatchSystem` says."""

    def __init__(self) -> None:
        from server.batch.base import BatchJob, BatchState

        self.runs = BatchJob(BatchState.RUNNING, started=datetime.now(UTC) - timedelta(hours=1))
        self.waits = BatchJob(BatchState.QUEUED)
        self.jobs: dict[str, BatchJob] = {}
        self.questions = 0

    def status(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        self.questions += 1
        return {job: self.jobs[job] for job in ids}

    def submit(self, template: Template, count: int) -> tuple[str, ...]:
        ids = tuple(f"{template.key}/{number}" for number in range(count))
        self.jobs.update(dict.fromkeys(ids, self.waits))
        return ids

    def find(self, key: str) -> Mapping[int, str]:
        return {number: f"{key}/{number}" for number in range(WANTED) if f"{key}/{number}" in self.jobs}

    def directory(self, job: str) -> Path:
        return Path("/nowhere") / job


def fill(queues: int, pilots: int, systems: list[Played]) -> None:
    """Describe queues and the pilots that they have: nine of ten run."""
    from server.factory.models import FactoryQueue
    from server.pandaconfig.models import Schedconfig
    from server.pilots.models import Pilot

    names, now = [f"Q{number:04d}" for number in range(queues)], datetime.now(UTC)
    Schedconfig.objects.bulk_create([Schedconfig(nickname=name, status="online") for name in names])
    FactoryQueue.objects.bulk_create(
        [
            FactoryQueue(queue=name, batch_system=f"system{number % len(systems)}", slots=10**6, max_waiting=10**6)
            for number, name in enumerate(names)
        ]
    )
    rows = []
    for number in range(pilots):
        at, runs = number % queues % len(systems), number % 10 != 0
        systems[at].jobs[f"old{at}/{number}"] = systems[at].runs if runs else systems[at].waits
        rows.append(
            Pilot(
                queue=names[number % queues],
                batch_system=f"system{at}",
                submission=f"old{at}",
                number=number,
                batch_id=f"old{at}/{number}",
                state="running" if runs else "queued",
                submitted_at=now - timedelta(hours=2),
                started_at=now - timedelta(hours=1) if runs else None,
                jobs=1,
            )
        )
    Pilot.objects.bulk_create(rows, batch_size=5000)


def activate(queues: int) -> None:
    """Give a part of the queues jobs that have no pilots yet."""
    from server.factory.models import FactoryQueue
    from server.pilots.models import Pilot
    from server.pilots.states import WAITING
    from server.taskbuffer.models import Bucket, Job, Ready

    for name in FactoryQueue.objects.values_list("pk", flat=True)[: max(1, int(queues * HUNGRY))]:
        asked: dict[str, Any] = {"queue": name, "label": "managed", "cores": 1, "memory": 0, "walltime": 0, "disk": 0}
        bucket, _ = Bucket.objects.get_or_create(**asked)
        waiting = Pilot.objects.filter(queue=name, state__in=WAITING).count() + WANTED
        missing = waiting - Ready.objects.filter(bucket=bucket).count()
        common: dict[str, Any] = {"state": "activated", "bucket": bucket, "queue": name, "label": "managed"}
        jobs = [Job(**common, priority=0, name="job", created_at=datetime.now(UTC)) for _ in range(missing)]
        ready = [Ready(job=job, bucket=bucket, rank=number) for number, job in enumerate(Job.objects.bulk_create(jobs))]
        Ready.objects.bulk_create(ready)


def launch_in(folder: Path) -> Launch:
    """Answer what pilots would be started with."""
    from server.factory.launch import Launch

    for name in ("wrapper.sh", "pilot.pyz", "pass"):
        (folder / name).write_text("nothing")
    return Launch(folder / "wrapper.sh", folder / "pilot.pyz", "http://127.0.0.1:1", lambda queue: folder / "pass")


def change(systems: list[Played]) -> None:
    """Let a part of all pilots change: those that wait get a slot, and those that run lose it."""
    for system in systems:
        every = int(1 / CHANGED)
        for number, job in enumerate(system.jobs):
            if number % every == 0:
                system.jobs[job] = system.waits if system.jobs[job] is system.runs else system.runs


def measure(options: argparse.Namespace) -> list[Figure]:
    """Measure each kind of cycle so many times."""
    queues, pilots, rounds = int(options.queues), int(options.pilots), int(options.rounds)
    with home() as folder:
        systems = [Played() for _ in range(int(options.systems))]
        fill(queues, pilots, systems)
        cycle = cycles(folder, systems)
        cycle()
        kinds: dict[str, Callable[[], object]] = {
            "quiet": lambda: None,
            f"{CHANGED:.0%} of the pilots changed": lambda: change(systems),
            f"{HUNGRY:.0%} of the queues get {WANTED} pilots": lambda: activate(queues),
        }
        readings: dict[str, list[float]] = {name: [] for name in kinds}
        questions: list[float] = []
        for _ in range(rounds):
            for name, prepare in kinds.items():
                prepare()
                before, begun = sum(system.questions for system in systems), time.perf_counter()
                done = cycle()
                readings[name].append(time.perf_counter() - begun)
                questions.append((sum(system.questions for system in systems) - before) / len(systems))
                print(f"{name}: {done}", file=sys.stderr)
    size = f"{queues} queues, {pilots} pilots"
    return [
        *(Figure(f"{size}: {name}", "s", tuple(found), goal=5.0) for name, found in readings.items()),
        Figure("status questions for each batch system in a cycle", "", tuple(questions), goal=1.0),
    ]


def cycles(folder: Path, systems: list[Played]) -> Callable[[], Cycle]:
    """Answer what runs a cycle."""
    from server.factory import logic

    launch = launch_in(folder)
    found: dict[str, Any] = {f"system{number}": system for number, system in enumerate(systems)}

    def system_of(name: str, queue: str) -> BatchSystem:
        system: BatchSystem = found[name]
        return system

    return lambda: logic.cycle(datetime.now(UTC), system_of=system_of, launch=launch)


NUMBERS = (
    Number("queues", 1000, "queues of the factory"),
    Number("pilots", 100000, "living pilots"),
    Number("systems", 4, "batch systems"),
    Number("rounds", 5, "cycles of each kind"),
)

if __name__ == "__main__":
    run(__doc__, NUMBERS, measure)
