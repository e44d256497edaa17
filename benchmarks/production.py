"""The production system with millions of chunks: defining tasks, cycles of all its steps, and its pages.

A database of one's own is filled with tasks that are over and with a few that are on their way, whose jobs run. Then
a task of each kind is defined, all services of the production are run once after the other, quiet and with jobs that
have finished since, and each page of a large task is asked for. Rows are written again bare, by the driver alone, in
the same run: what a definition costs beside that.

    python -m benchmarks.production [--chunks 2000000] [--per_task 10000] [--active 20] [--running 12000]
                                    [--define 100000] [--ended 1000] [--rounds 3] [--database postgresql] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.command import Number, run
from benchmarks.figures import Figure
from benchmarks.production_rows import RUN, Filled, fill
from benchmarks.system import BASE

#: Chunks of a run of the tasks that are defined.
PER_RUN = 100
#: A definition of so many chunks is what the memory of a large one is held against.
SMALL = 10_000


def address_of(kind: str, stack: contextlib.ExitStack) -> str:
    """Start a database that waits for the disk; answer its address. The settings are not read before."""
    from tests.services import mariadb, postgresql

    running: Any = postgresql.running if kind == "postgresql" else mariadb.running
    service = stack.enter_context(running(durable=True))
    service.make_database("compass")
    return str(service.url("compass"))


@contextlib.contextmanager
def tables(database: str) -> Iterator[None]:
    """Make the server's tables in a folder, or on a database server, of their own."""
    BASE.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="production-", dir=BASE))
        own = {"COMPASS_SERVER_HOME": folder, "DJANGO_SETTINGS_MODULE": "server.settings"}
        if database != "sqlite":
            own["COMPASS_SERVER_DATABASE"] = address_of(database, stack)
        os.environ |= own
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        stack.callback(connections.close_all)
        yield


# Definitions


def definitions(chunks: int, number: int) -> dict[str, dict[str, Any]]:
    """Answer a definition of each kind with so many chunks: by numbers, and by a list of files."""
    runs = range(RUN, RUN + max(1, chunks // PER_RUN))
    frame = {"year": 2016, "period": "P07", "soft": f"soft-{number}", "queue": "LOCAL", "production": "bench"}
    files = "\n".join(
        f"raw/2016/cdr{chunk:05d}-{run}.raw, 1000, 1000000000, adler32:0a1b2c3d"
        for run in runs
        for chunk in range(11001, 11001 + PER_RUN)
    )
    by_numbers = {"runs": "\n".join(f"{run}, {PER_RUN}" for run in runs), "events_per_chunk": 1000}
    return {
        "MC generation": {"name": f"gen{number}", "type": "mc_generation", **frame, **by_numbers},
        "MC reconstruction": {"name": f"rec{number}", "type": "mc_reconstruction", "parent": f"gen{number}", **frame},
        "data by files": {"name": f"data{number}", "type": "mass_production", **frame, "files": files},
    }


def define(said: dict[str, Any]) -> float:
    """Define a task and its chunks, from the definition's words to the last row; answer the seconds."""
    from server.production.logic import define_task, move_task

    begin = time.perf_counter()
    define_task(said, by="bench")
    move_task(said["name"], "ready", by="bench")
    move_task(said["name"], "jobs_ready", by="bench")
    return time.perf_counter() - begin


def apart(work: Callable[[], float]) -> tuple[float, float]:
    """Do something in a process of its own; answer what it answers, and by how many MB its memory grew at most."""
    from django.db import connections

    connections.close_all()
    forked = multiprocessing.get_context("fork")
    ours, theirs = forked.Pipe(duplex=False)

    def child() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = work()
        theirs.send((found, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000))

    process = forked.Process(target=child)
    process.start()
    theirs.close()
    try:
        found: tuple[float, float] = ours.recv()
    except EOFError:
        raise SystemExit("a definition failed; see above") from None
    process.join()
    return found


def measure_definitions(chunks: int, rounds: int) -> Iterator[Figure]:
    """Measure how fast each kind of task is defined, beside rows that are written bare, and what memory that takes."""
    rates: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {}
    for number in range(rounds):
        for kind, small in definitions(min(SMALL, chunks), 2 * number).items():
            _, little = apart(partial(define, small))
            large = definitions(chunks, 2 * number + 1)[kind]
            seconds, much = apart(partial(define, large))
            rates.setdefault(kind, []).append(chunks / seconds)
            memory.setdefault(kind, []).append(much - little)
            ratios.setdefault(kind, []).append(written_again(large["name"]) / seconds)
    for kind, found in rates.items():
        yield Figure(f"{kind}: {chunks} chunks defined", "chunks/s", tuple(found), least=5000)
        yield Figure(f"{kind}: beside its rows written bare", "ratio", tuple(ratios[kind]))
        yield Figure(f"{kind}: memory more than for {min(SMALL, chunks)}", "MB", tuple(memory[kind]))


def written_again(name: str) -> float:
    """Write the rows of a task's chunks once more by the driver alone; answer the seconds. They are gone afterwards."""
    from django.db import connection, transaction

    from server.production.models import Chunk, RawFile, Task

    task, seconds = Task.objects.get(name=name), 0.0
    written: list[Any] = [(Chunk, Chunk.objects.filter(task=task)), (RawFile, RawFile.objects.filter(chunk__task=task))]
    with transaction.atomic():
        kept = []
        for model, found in written:
            columns = [field.column for field in model._meta.concrete_fields]
            names = [field.attname for field in model._meta.concrete_fields]
            kept.append((model, columns, list(found.order_by("pk").values_list(*names))))
        Chunk.objects.filter(children__task=task).update(parent=None)
        RawFile.objects.filter(chunk__task=task)._raw_delete(using="default")
        Chunk.objects.filter(task=task)._raw_delete(using="default")
        for model, columns, rows in kept:
            text = (
                f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608
            )
            begin = time.perf_counter()
            with connection.cursor() as cursor:
                cursor.executemany(text, rows)
            seconds += time.perf_counter() - begin
    return seconds


# Cycles


def cycle() -> dict[str, float]:
    """Run each service of the production once; answer the seconds of each."""
    from datetime import UTC, datetime

    from server.services.registry import Turn, declared

    spent = {}
    for name, service in sorted(declared().items()):
        if name.startswith("production."):
            begin = time.perf_counter()
            service(Turn(name, datetime.now(UTC), lambda: None))
            spent[name] = time.perf_counter() - begin
    return spent


def measure_cycles(filled: Filled, ended: int, rounds: int) -> Iterator[Figure]:
    """Measure cycles with nothing to do, and with jobs that have ended since the last one."""
    filled.come_to_rest(cycle)
    quiet = [cycle() for _ in range(rounds)]
    yield Figure(
        "a cycle of all steps with nothing to do", "s", tuple(sum(spent.values()) for spent in quiet), goal=1.0
    )
    for name, found in slowest(quiet):
        yield Figure(f"  {name}", "s", found)
    busy = []
    for _ in range(rounds):
        filled.end(ended)
        busy.append(cycle())
        filled.come_to_rest(cycle)
    yield Figure(f"a cycle with {ended} finished jobs", "s", tuple(sum(spent.values()) for spent in busy), goal=3.0)
    for name, found in slowest(busy):
        yield Figure(f"  {name}, {ended} finished", "s", found)


def slowest(cycles: list[dict[str, float]], most: int = 4) -> list[tuple[str, tuple[float, ...]]]:
    """Answer the services that took the most, with their readings."""
    found = {name: tuple(spent[name] for spent in cycles) for name in cycles[0]}
    return sorted(found.items(), key=lambda one: -sum(one[1]))[:most]


# Pages


def measure_pages(filled: Filled, rounds: int) -> Iterator[Figure]:
    """Measure the server time of each page, and count its statements, which must not grow with the rows."""
    from django.db import connection
    from django.test import Client

    client = Client()
    client.force_login(filled.manager())
    for name, address in filled.pages().items():
        readings, counted = [], 0
        for _ in range(rounds + 1):
            count: list[str] = []

            def note(execute: Any, sql: str, params: Any, many: bool, context: Any, count: list[str] = count) -> Any:
                count.append(sql)
                return execute(sql, params, many, context)

            begin = time.perf_counter()
            with connection.execute_wrapper(note):
                answer = client.get(address, headers={"host": "127.0.0.1"})
            readings.append(1000 * (time.perf_counter() - begin))
            counted = len(count)
            if answer.status_code != 200:
                raise SystemExit(f"{address} answers {answer.status_code}")
        # The first time templates are read.
        yield Figure(f"page {name}, {counted} statements", "ms", tuple(readings[1:]), goal=200)


def measure(options: argparse.Namespace) -> list[Figure]:
    rounds = int(options.rounds)
    with tables(options.database):
        begin = time.perf_counter()
        filled = fill(int(options.chunks), int(options.per_task), int(options.active), int(options.running))
        print(f"filled in {time.perf_counter() - begin:.0f} s", file=sys.stderr)
        found = [*measure_cycles(filled, int(options.ended), rounds), *measure_pages(filled, rounds)]
        if options.define:
            found += measure_definitions(int(options.define), rounds)
        return found


NUMBERS = (
    Number("chunks", 2_000_000, "chunks in the database"),
    Number("per_task", 10_000, "of each task"),
    Number("active", 20, "tasks that are on their way"),
    Number("running", 12_000, "jobs that run"),
    Number("define", 100_000, "chunks of the tasks that are defined; 0: none"),
    Number("ended", 1000, "jobs that end before a busy cycle"),
    Number("rounds", 3, "readings of each"),
    Number("database", "postgresql", "sqlite, postgresql or mariadb"),
)

if __name__ == "__main__":
    run(__doc__, NUMBERS, measure)
