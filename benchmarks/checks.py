"""What the checks of a running job cost: the part of one core that a pilot's looks take, with many payload processes.

A payload of real processes, each with memory of its own and much that it shares, is looked at by the pilot's own checks
at their default periods. Time is not waited for: the looks come one after the other on a clock that is put forward by
``monitor.checks`` each time, and their processor time is divided by the time that the clock says has passed. Readings,
payload and job directory are real. Beside it stands what one look would cost if nothing was saved, file by file.
"""

from __future__ import annotations

import argparse
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.command import Number, run
from benchmarks.figures import Figure
from pilot import plugins
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.control.checking import Checking
from pilot.control.checks.readings import Means
from pilot.control.checks.standstill import Clocks
from pilot.control.news import Look, Matter, Site
from pilot.job import Job, Phase
from pilot.runtime import workdir
from pilot.runtime.memory import Sampler
from pilot.runtime.processes import Root, read_bytes, tree
from pilot.settings import Settings

MB = 2**20
#: Takes some memory, makes so many children that share it, and waits until its input ends.
PAYLOAD = f"""
import os, sys
count, own, shared = map(int, sys.argv[1:])
held = bytearray(os.urandom(1)) * (shared * {MB})
ready, told = os.pipe()
for _ in range(count - 1):
    if not os.fork():
        mine = bytearray(os.urandom(1)) * (own * {MB})
        os.write(told, b"x")
        sys.stdin.read()
        os._exit(0)
for _ in range(count - 1):
    os.read(ready, 1)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def payload(count: int, own: int, shared: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run so many processes with so many MB each, and so many that they share."""
    argv = [sys.executable, "-I", "-S", "-c", PAYLOAD, str(count), str(own), str(shared)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise SystemExit("the payload did not begin")
        yield process


class Watched:
    """A job that is looked at, on a clock of its own."""

    def __init__(self, folder: Path, root: Root, settings: Settings) -> None:
        self.settings, self.clock = settings, 1000.0
        self.item = Look(Job(JobSpec(7, 1, "true"), phase=Phase.RUNNING), Matter.CHECK, Site(QueueData("Q")))
        place = workdir.create(folder, self.item.job.spec)
        for number in range(200):
            (place.root / f"file-{number}").write_bytes(b"x" * 1000)
        told: queue.SimpleQueue[object] = queue.SimpleQueue()
        means = Means(settings, root_of=lambda key: root, clocks=self._clocks)
        self.checking = Checking(told.put, plugins.load("generic"), folder, means)

    def _clocks(self) -> Clocks:
        return Clocks(self.clock, self.clock, self.clock)

    def look(self) -> float:
        """Look once more; answer the seconds of processor time that it took."""
        self.clock += self.settings.monitor.checks
        began = time.thread_time()
        self.checking.look(self.item)
        return time.thread_time() - began


def share(watched: Watched, looks: int) -> float:
    """Answer the part of one core, in percent, that so many looks take; what is saved is saved on the same clock."""
    began = watched.clock
    spent = sum(watched.look() for _ in range(looks))
    return 100 * spent / (watched.clock - began)


def usual(watched: Watched, looks: int = 9) -> float:
    """Answer the seconds that a look usually takes: now and then one reads every proportional size."""
    return statistics.median(watched.look() for _ in range(looks))


def cost(do: Callable[[], object]) -> float:
    """Answer the milliseconds of processor time that something takes."""
    began = time.thread_time()
    do()
    return 1000 * (time.thread_time() - began)


def per_file(pids: Sequence[int], name: str) -> float:
    """Answer the microseconds that reading one file of each process takes."""
    return 1000 * cost(lambda: [read_bytes(f"/proc/{pid}/{name}") for pid in pids]) / len(pids)


def rounds_of(process: int, base: Path, options: argparse.Namespace) -> list[Watched]:
    """Make one watched job for each round, each with a directory of its own."""
    root = Root(process, counted=True)
    return [Watched(base / str(number), root, Settings()) for number in range(options.rounds)]


def measure(options: argparse.Namespace) -> list[Figure]:
    """Look at a payload of one process, and at one of many, for so many rounds each."""
    with tempfile.TemporaryDirectory(prefix="checks-") as base:
        with payload(1, options.own, options.shared) as process:
            alone = tuple(share(one, options.looks) for one in rounds_of(process.pid, Path(base, "one"), options))
        with payload(options.processes, options.own, options.shared) as process:
            return [
                Figure("checks, one process: part of one core", "%", alone, goal=0.1),
                *_with_many(
                    rounds_of(process.pid, Path(base, "many"), options), Root(process.pid, counted=True), options
                ),
            ]


def _with_many(rounds: Sequence[Watched], root: Root, options: argparse.Namespace) -> list[Figure]:
    pids = [one.pid for one in tree(root).processes]
    if len(pids) != options.processes:
        raise SystemExit(f"{len(pids)} processes run, {options.processes} were wanted")
    name = f"checks, {options.processes} processes"

    def each(do: Callable[[], float]) -> tuple[float, ...]:
        return tuple(do() for _ in rounds)

    return [
        Figure(f"{name}: part of one core", "%", tuple(share(one, options.looks) for one in rounds), goal=1.0),
        Figure(f"{name}: a usual look", "ms", tuple(1000 * usual(one) for one in rounds)),
        Figure("a look that reads every proportional size", "ms", each(lambda: cost(lambda: Sampler(root).sample()))),
        Figure("one pass over the processes", "ms", each(lambda: cost(lambda: tree(root)))),
        Figure("smaps_rollup of one process", "us", each(lambda: per_file(pids, "smaps_rollup"))),
        Figure("stat of one process", "us", each(lambda: per_file(pids, "stat"))),
    ]


NUMBERS = (
    Number("processes", 500, "processes of the payload"),
    Number("own", 2, "MB of its own that each has"),
    Number("shared", 64, "MB that they share"),
    Number("looks", 60, "looks of one round, a minute apart"),
    Number("rounds", 3, "rounds"),
)

if __name__ == "__main__":
    run(__doc__, NUMBERS, measure)
