"""How many jobs per second live their whole life through the server, beside the bare database doing the same writes.

A life is four calls: submit, acquire, a report of running, a final report with one output and a log; or the last three
of a job that waits already, which is what pilots do. Four client processes call over HTTP, with kept connections and
with one per call; the bare variant is four processes that do the same durable writes as prepared statements on the same
tables, each call one transaction. In bulk, each of three calls is about twenty jobs that wait. All variants run in
turns, so that the ratios mean something on a machine that does other things too. With ``--normal`` everything is also
measured on a server whose database does not wait for the disk; with ``--database`` on a PostgreSQL and a MariaDB of its
own, too, which wait for the disk as SQLite does.

    python -m benchmarks.dispatch [--jobs 400] [--rounds 5] [--workers 2] [--normal] [--json FILE]
                                  [--database postgresql] [--database mariadb]
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.bare_databases import opened
from benchmarks.bare_writes import Bare
from benchmarks.figures import Figure, machine, table, write_json
from benchmarks.light_client import ENTRY, MANY, Wire
from benchmarks.system import BASE, Server, serving

CLIENTS = 4
BARE, KEPT, NEW = "bare", "kept connections", "a connection per call"
Client = Wire | Bare
#: Jobs that are submitted beside those that are taken: somebody may look at one while another client takes it.
SPARE = 2 * CLIENTS
#: On PostgreSQL a server is to be so fast: parts of the bare rate by three calls, lives per second in bulk, and ms.
LEAST, BULK, CPU = {KEPT: 0.45, NEW: 0.40}, 2000.0, 1.0


class Round(NamedTuple):
    """Lives per second, and the server's CPU milliseconds per call, or in bulk per life."""

    rate: float
    cpu: float


class Variant(NamedTuple):
    """One way to take jobs through their lives."""

    name: str
    make: Callable[[], Any]  # a client
    live: Callable[[Any], None]  # what it does
    calls: int  # of the server, by which its CPU time is divided
    lives: int = 1  # that one such act is
    submits: bool = False  # or jobs have to wait already


def work(variant: Variant, count: int, start: Any) -> None:
    """Be one client."""
    client = variant.make()
    start.wait()
    for _ in range(count):
        variant.live(client)


def measure(server: Server, variant: Variant, count: int) -> Round:
    """Let four processes take so many jobs together through their lives."""
    forked = multiprocessing.get_context("fork")
    start = forked.Barrier(CLIENTS + 1)
    each = max(1, count // CLIENTS // variant.lives)
    lives = each * CLIENTS * variant.lives
    if not variant.submits:
        queue(server, lives + SPARE)
    clients = [forked.Process(target=work, args=(variant, each, start)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    cpu = server.cpu_time()
    start.wait()
    begin = time.perf_counter()
    for client in clients:
        client.join()
    seconds = time.perf_counter() - begin
    if any(client.exitcode for client in clients):
        raise SystemExit("a client failed; see above")
    return Round(lives / seconds, 1000 * (server.cpu_time() - cpu) / (each * CLIENTS * variant.calls))


def queue(server: Server, jobs: int) -> None:
    """Submit jobs that wait, a thousand in a call."""
    for begin in range(0, jobs, 1000):
        server.submit([ENTRY] * min(1000, jobs - begin))


def variants(server: Server, synchronous: str) -> list[Variant]:
    def bare() -> Bare:
        return Bare(opened(server.database_url, server.database, synchronous))

    clients: dict[str, Callable[[], Client]] = {
        BARE: bare,
        KEPT: lambda: Wire(server, keep=True),
        NEW: lambda: Wire(server, keep=False),
    }
    whole = [Variant(name, make, lambda client: client.live(), 4, submits=True) for name, make in clients.items()]
    three = [Variant(f"3 calls, {name}", make, lambda client: client.live_on(), 3) for name, make in clients.items()]
    return [*whole, *three, Variant("in bulk", clients[KEPT], lambda client: client.live_together(), MANY, MANY)]


def figures(name: str, rounds: dict[str, list[Round]]) -> Iterator[Figure]:
    """Name the figures of one server; ratios are taken within a round, and their goals are the median's."""
    has_goals = name == "postgresql"
    for variant, found in rounds.items():
        rates, cpu = tuple(one.rate for one in found), tuple(one.cpu for one in found)
        in_bulk = variant == "in bulk"
        yield Figure(f"{name}: {variant}", "lives/s", rates, least=BULK if in_bulk and has_goals else None)
        if in_bulk:
            yield Figure(f"{name}: {variant}, server CPU per life", "ms", cpu)
        elif not variant.endswith(BARE):
            how_many, _, how = variant.rpartition(", ")
            bare = [one.rate for one in rounds[f"{how_many}, {BARE}" if how_many else BARE]]
            ratios = tuple(rate / most for rate, most in zip(rates, bare, strict=True))
            least = LEAST[how] if how_many and has_goals else None
            yield Figure(f"{name}: {variant} / bare", "ratio", ratios, least=least)
            yield Figure(f"{name}: {variant}, server CPU per call", "ms", cpu, CPU if least else None)


def compare(servers: Sequence[tuple[str, Server]], count: int, rounds: int) -> list[Figure]:
    """Measure every variant on every server in turn."""
    found: dict[str, dict[str, list[Round]]] = {name: {} for name, _ in servers}
    for name, server in servers:
        Wire(server, keep=True).live()  # makes the kind of job that the bare variant adds to
        for variant in variants(server, name):
            measure(server, variant, CLIENTS * 2)
    for _ in range(rounds):
        for name, server in servers:
            for variant in variants(server, name):
                found[name].setdefault(variant.name, []).append(measure(server, variant, count))
    return [figure for name, _ in servers for figure in figures(name, found[name])]


def address_of(kind: str, stack: contextlib.ExitStack) -> str:
    """Start a database that waits for the disk; answer its address."""
    from tests.services import mariadb, postgresql

    running: Any = postgresql.running if kind == "postgresql" else mariadb.running
    service = stack.enter_context(running(durable=True))
    service.make_database("compass")
    return str(service.url("compass"))


def sync_time(folder: Path, count: int = 50) -> float:
    """Answer the median seconds that the disk needs to make 4 kB durable: what every call waits for at least."""
    times = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(count):
            begin = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=400, help="jobs per round and variant (default: 400)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the server (default: 2)")
    parser.add_argument("--normal", action="store_true", help="measure synchronous=NORMAL, too")
    parser.add_argument(
        "--database", action="append", default=[], choices=("postgresql", "mariadb"), help="measure it too"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    kinds = {"FULL": "server.settings", **({"NORMAL": "benchmarks.settings_normal"} if options.normal else {})}
    begun = machine()
    BASE.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dispatch-", dir=BASE)))
        begun["sync_ms"] = round(1000 * sync_time(folder), 3)
        addresses = {kind: address_of(kind, stack) for kind in options.database}
        servers = []
        for name in (*kinds, *addresses):
            (folder / name).mkdir()
            where, settings = addresses.get(name, ""), kinds.get(name, "server.settings")
            made = serving(folder / name, workers=options.workers, settings=settings, database=where)
            servers.append((name, stack.enter_context(made)))
        found = compare(servers, options.jobs, options.rounds)
    load = f"load {begun['load']} before and {machine()['load']} after, {begun['sync_ms']} ms per forced write"
    print(f"{begun['cores']} cores, {load}\n{table(found)}")
    if options.json:
        write_json(options.json, begun, found)


if __name__ == "__main__":
    main()
