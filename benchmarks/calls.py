"""What each call costs beside queues of different lengths, and what a hundred thousand pilots' heartbeats cost.

A server is filled with jobs that wait (``compass-server load``), of which some fit no pilot. At each length four client
processes submit, ask for work, report that it runs, send heartbeats, and report the end with two files, one job or many
per call. At the end jobs are taken until so many run as there are to be pilots, each of which then sends a heartbeat
every half hour by a connection of its own, in even time.

    python -m benchmarks.calls [--queued 1000,100000] [--unfit 30] [--calls 400] [--workers 2] [--pilots 100000]
                               [--seconds 60] [--database postgresql] [--old 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.bare_databases import opened
from benchmarks.command import Number, run
from benchmarks.dispatch import CLIENTS, address_of
from benchmarks.figures import Figure
from benchmarks.light_client import Caller, ended, report
from benchmarks.system import BASE, Server, serving
from pilot.contract import routes

QUEUE = "LOAD_001"
#: Jobs of one call where many are in one.
MANY_SUBMITTED, MANY_ACQUIRED = 1000, 20
#: Seconds between two heartbeats of a pilot, as PanDA's pilots have it.
BEAT = 1800.0
_DATABASES = frozenset({"postgres", "mariadbd"})
_ASKED = b'{"site_name": "%s", "memory": 2000, "n_jobs": %d}'
_JOB = '{"computingSite": "%s", "transformation": "true", "minRamCount": 1900, "files": [%s]}'
_FILES = '{"lfn": "out.root", "type": "output"}, {"lfn": "job.log.tgz", "type": "log"}'


class Spent(NamedTuple):
    """What the calls of all clients took: seconds by the clock, CPU seconds of the server and of the database."""

    seconds: float
    server: float
    database: float


class Client(Caller):
    """One client; each of its verbs answers the jobs that it was about."""

    def __init__(self, server: Server, *, keep: bool = True) -> None:
        super().__init__(server, keep=keep)
        self._acquire = self.head(server, "pilot", routes.ACQUIRE_JOBS)
        self._update = self.head(server, "pilot", routes.UPDATE_JOB_V1)
        self._submit = self.head(server, "production", routes.SUBMIT_JOBS)

    def submit(self, count: int) -> list[int]:
        entries = ", ".join([_JOB % (QUEUE, _FILES)] * count)
        self.call(self._submit + ended(f'{{"jobs": [{entries}]}}'.encode()))
        return [0] * count

    def acquire(self, count: int) -> list[int]:
        found = self.acquired(self._acquire, _ASKED % (QUEUE.encode(), count))
        if not found:
            raise RuntimeError("there was no job that fits")
        return found

    def say(self, job: int, state: str) -> list[int]:
        self.call(self._update + report(job, state))
        return [job]


def together(server: Server, works: Sequence[Callable[[Client], list[int]]]) -> tuple[Spent, list[list[int]]]:
    """Let one process do each of these at the same time; answer what it took, and the jobs of each."""
    forked = multiprocessing.get_context("fork")
    start = forked.Barrier(len(works) + 1)

    def work(number: int) -> None:
        client = Client(server)
        start.wait()
        _answer(server, number).write_text(json.dumps(works[number](client)))

    processes = [forked.Process(target=work, args=(number,)) for number in range(len(works))]
    for process in processes:
        process.start()
    cpu, theirs = server.cpu_time(), database_cpu_time()
    start.wait()
    begin = time.perf_counter()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - begin
    if any(process.exitcode for process in processes):
        raise SystemExit("a client failed; see above")
    spent = Spent(seconds, server.cpu_time() - cpu, database_cpu_time() - theirs)
    return spent, [json.loads(_answer(server, number).read_text()) for number in range(len(works))]


def _answer(server: Server, number: int) -> Path:
    return server.home.parent / f"answer-{number}.json"


def database_cpu_time() -> float:
    """Answer the CPU seconds of the databases that this process has started, if they are processes."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() in _DATABASES:
                used = process.cpu_times()
                total += used.user + used.system
    return total


def calls(server: Server, name: str, count: int) -> Iterator[Figure]:
    """Measure every kind of call, each ``count`` times by all clients together."""
    each = max(1, count // CLIENTS)

    def repeated(verb: str, jobs: int, times: int) -> Callable[[Client], list[int]]:
        return lambda client: [job for _ in range(times) for job in getattr(client, verb)(jobs)]

    def said(jobs: Sequence[int], state: str) -> Callable[[Client], list[int]]:
        return lambda client: [one for job in jobs for one in client.say(job, state)]

    few = max(1, each // 40)  # calls with a thousand jobs
    for verb, jobs, times in (("submit", 1, each), ("submit", MANY_SUBMITTED, few), ("acquire", MANY_ACQUIRED, few)):
        spent, done = together(server, [repeated(verb, jobs, times)] * CLIENTS)
        yield from figures(f"{name}: {verb} {jobs}", spent, times * CLIENTS, done)
    spent, held = together(server, [repeated("acquire", 1, each)] * CLIENTS)
    yield from figures(f"{name}: acquire 1", spent, each * CLIENTS, held)
    for state, words in (("running", "running"), ("running", "heartbeat"), ("finished", "finished, two files")):
        spent, done = together(server, [said(jobs, state) for jobs in held])
        yield from figures(f"{name}: {words}", spent, each * CLIENTS, done)


def figures(name: str, spent: Spent, count: int, done: Sequence[Sequence[int]]) -> Iterator[Figure]:
    """Name what so many calls took that were about these jobs, by client."""
    yield Figure(name, "jobs/s", (sum(map(len, done)) / spent.seconds,))
    yield Figure(f"{name}: server CPU per call", "ms", (1000 * spent.server / count,))
    if spent.database:
        yield Figure(f"{name}: database CPU per call", "ms", (1000 * spent.database / count,))


def fill(server: Server, jobs: int, unfit: int) -> float:
    """Add jobs that wait; answer the seconds that it took, with the start of the program that does it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
    own |= {"COMPASS_SERVER_HOME": str(server.home), "DJANGO_SETTINGS_MODULE": "server.settings"}
    if server.database_url:
        own["COMPASS_SERVER_DATABASE"] = server.database_url
    words = ["load", "--jobs", str(jobs), "--queues", "1", "--unfit", str(unfit), "--anyway"]
    begin = time.perf_counter()
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-m", "server.manage", *words], env=own, check=True, cwd=root, stdout=sys.stderr)
    return time.perf_counter() - begin


def beats(server: Server, pilots: int, seconds: float) -> list[Figure]:
    """Have so many jobs run, then send their heartbeats in even time; a connection for each."""

    def take(client: Client) -> list[int]:
        held: list[int] = []
        while len(held) < pilots // CLIENTS:
            held += client.acquire(min(MANY_ACQUIRED, pilots // CLIENTS - len(held)))
        return held

    spent, held = together(server, [take] * CLIENTS)
    print(f"{pilots} jobs were taken in {spent.seconds:.0f} s", file=sys.stderr)
    jobs, period = [job for some in held for job in some], BEAT / pilots
    client, never = Client(server, keep=False), threading.Event()
    memory, cpu, theirs = server.memory(), server.cpu_time(), database_cpu_time()
    begin = time.perf_counter()
    late = 0.0
    for number, job in enumerate(jobs[: max(1, int(seconds / period))]):
        left = begin + number * period - time.perf_counter()
        late = max(late, -left)
        never.wait(max(0.0, left))
        client.say(job, "running")
    took = time.perf_counter() - begin
    name = f"{pilots} pilots"
    return [
        Figure(f"{name}: server CPU, part of one core", "ratio", ((server.cpu_time() - cpu) / took,), goal=0.25),
        Figure(f"{name}: database CPU, part of one core", "ratio", ((database_cpu_time() - theirs) / took,)),
        Figure(f"{name}: a heartbeat was late by at most", "s", (late,)),
        Figure(f"{name}: memory of the server, before", "MB", (memory / 1e6,)),
        Figure(f"{name}: memory of the server, grown by", "MB", ((server.memory() - memory) / 1e6,)),
    ]


@contextlib.contextmanager
def old_transaction(server: Server, wanted: bool) -> Iterator[None]:
    """Leave a transaction open that has read, as a report or a dump does; what others delete stays for it."""
    if not wanted:
        yield
        return
    reader = opened(server.database_url, server.database, "FULL")
    reader.do("BEGIN ISOLATION LEVEL REPEATABLE READ" if server.database_url.startswith("postgresql") else "BEGIN")
    reader.do("SELECT count(*) FROM taskbuffer_ready")
    yield
    reader.do("COMMIT")


def measure(options: argparse.Namespace) -> list[Figure]:
    found: list[Figure] = []
    BASE.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calls-", dir=BASE)))
        address = address_of(options.database, stack) if options.database != "sqlite" else ""
        server = stack.enter_context(serving(folder, workers=options.workers, database=address))
        queued = 0
        for length in sorted(int(word) for word in options.queued.split(",")):
            found += filled(server, length - queued, options.unfit)
            queued = length
            with old_transaction(server, bool(options.old)):
                found += calls(server, f"{length} queued", options.calls)
        if options.pilots:
            found += filled(server, int(options.pilots * 100 / (100 - options.unfit)) + 1, options.unfit)
            found += beats(server, options.pilots, options.seconds)
    return found


def filled(server: Server, jobs: int, unfit: int) -> list[Figure]:
    seconds = fill(server, jobs, unfit)
    return [Figure(f"{jobs} more loaded", "jobs/s", (jobs / seconds,))]


NUMBERS: Any = (
    Number("queued", "1000,100000", "numbers of waiting jobs to measure at"),
    Number("unfit", 30, "percent of these that need more memory than a pilot has"),
    Number("calls", 400, "calls of each kind, by four clients together"),
    Number("workers", 2, "worker processes of the server"),
    Number("pilots", 0, "pilots whose heartbeats are simulated; 0: none"),
    Number("seconds", 60.0, "for so many seconds"),
    Number("database", "sqlite", "sqlite, postgresql or mariadb"),
    Number("old", 0, "1: beside a transaction that is open all the time"),
)


if __name__ == "__main__":
    run(__doc__, NUMBERS, measure)
