"""The server on each database, as processes: one whole job, and a crowd of pilots at a bad line while all is killed."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any

import pytest

from tests.server.manage.running import Server, environment
from tests.services import mariadb, postgresql
from tests.services.mariadb import MariaDB
from tests.services.postgresql import PostgreSQL
from tests.whole import strange_clock
from tests.whole.audit import Rows, wrongs
from tests.whole.bad_line import Line
from tests.whole.contending import Crowd
from tests.whole.local_system import PATIENCE, QUICK, ROOT, ticks
from tests.whole.served_rows import ServedRows
from tests.whole.test_one_job import KILL, LOG, OUTPUT, SUBMIT, System
from tests.whole.testimony import contradictions, disobeyed

pytestmark = pytest.mark.one_python

SERVICES = {"postgresql": postgresql.running, "mariadb": mariadb.running}
EVENTS = "SELECT COUNT(*) FROM taskbuffer_jobevent"
LAST_EVENT = "SELECT MAX(id) FROM taskbuffer_jobevent"
UNENDED = "SELECT COUNT(*) FROM taskbuffer_job WHERE state NOT IN ('finished', 'failed', 'cancelled', 'closed')"
HOUR = 3600.0
RESET, UNDO = "/api/v1/job/reset", "/api/v1/job/undo_reset"

#: The last line of a traceback; and of one about a database that has been killed.
ERROR = re.compile(r"[\w.]+(Error|Exception|LostRace|IllegalMove|AnsweredBefore)\b(:|$)")
AWAY = re.compile(
    r"[\w.]*(OperationalError|InterfaceError|Connection\w+Error|BrokenPipeError|FileNotFoundError: \[Errno 2\] [^:]*$)"
)
CAUSES = ("The above exception was the direct cause", "During handling of the above exception")
LOCKED = re.compile(r"deadlock|lock wait|locked", re.IGNORECASE)
#: So many lines of a log hold an error's traceback, with those of its causes and what other processes wrote between.
BEFORE = 150

Grief = Callable[[], None]


class StrangeServer(Server):
    """A server by the strange clock."""

    program = "tests.whole.strange_clock"


@dataclass
class StrangeSystem(System):
    """The system of one job, by the strange clock."""

    servers: list[Server] = field(default_factory=list)

    def restart(self):
        self.server = StrangeServer(self.home, self.port, workers=self.workers, **self.told)
        self.servers.append(self.server)


class Place:
    """A database of one kind, and a server on it; with the services, if they are started."""

    def __init__(self, kind: str, folder, opened: ExitStack, *, durable: bool) -> None:
        self.clock = folder / "clock"
        strange_clock.set_ahead(self.clock, 0.0)
        self.service: PostgreSQL | MariaDB | None = None
        told = {**QUICK, strange_clock.FILE: str(self.clock)}
        if kind != "sqlite":
            self.service = opened.enter_context(SERVICES[kind](durable=durable))
            self.service.make_database("compass")
            told["COMPASS_SERVER_DATABASE"] = self.service.url("compass")
        self.system = StrangeSystem(folder, told=told, workers=3)
        opened.callback(self.system.close)
        address = told.get("COMPASS_SERVER_DATABASE")
        self.rows = ServedRows(address) if address else Rows(self.system.home / "db.sqlite3")
        self.services: subprocess.Popen[bytes] | None = None
        self.opened, self.kills = opened, list[tuple[int, int]]()

    def submit(self, count: int) -> list[int]:
        """Submit jobs of several kinds, priorities and queues' places in one call."""
        entry = {"computingSite": "LOCAL", "transformation": "true", "maxAttempt": 3, "files": [OUTPUT, LOG]}
        entries = [{**entry, "currentPriority": number % 7, "minRamCount": number % 3 * 100} for number in range(count)]
        return [said[0] for said in self.system.call("production", "POST", SUBMIT, {"jobs": entries})]

    def start_services(self) -> None:
        """Start the periodic services: who looks for lost jobs."""
        argv = [sys.executable, "-m", "tests.whole.strange_clock", "services"]
        with (self.system.home / "services.log").open("ab") as log:
            said = {**environment(self.system.home, **self.system.told), "PYTHONPATH": str(ROOT)}
            self.services = subprocess.Popen(argv, env=said, cwd=ROOT, stdout=log, stderr=log)
        self.opened.callback(self.kill_services)

    def kill_services(self) -> None:
        if self.services is not None:
            self.services.kill()
            self.services.wait()

    def kill_worker(self) -> None:
        """Kill the oldest one, which is replaced; a server that takes this for a loop of crashes ends."""
        os.kill(self.system.server.workers()[0], signal.SIGKILL)

    def kill_server(self) -> None:
        """Kill the server, whose workers end with it."""
        self.system.server.end(signal.SIGKILL)

    def kill_database(self) -> None:
        """Kill the database, or where it is a file, the whole server in the midst of its writes; start it again."""
        if self.service is None:
            self.kill_server()
        else:
            self.service.kill()
            self.service.start()

    def kill_jobs(self, numbers: Sequence[int]) -> None:
        """Have somebody end some jobs, wherever they are, and note what was there when that was answered."""
        self.keep_up()
        done = self.system.call("production", "POST", KILL, {"job_ids": list(numbers)})
        last = self.rows.count(LAST_EVENT)
        self.kills += [(number, last) for number, is_done in zip(numbers, done, strict=True) if is_done]

    def reset_jobs(self) -> None:
        """Have somebody bring back some jobs that failed, twice, and put them back the first time."""
        failed = [job for (job,) in self.rows.read("SELECT id FROM taskbuffer_job WHERE state = 'failed' LIMIT 10")]
        if not failed:
            return
        self.keep_up()
        done = self._reset(failed)
        undone = self.system.call("production", "POST", UNDO, {"reset": done["reset"]})
        if undone["restored"]:
            self._reset(undone["restored"])

    def _reset(self, numbers: list[int]) -> Mapping[str, Any]:
        why = {"job_ids": numbers, "why": "the storage was full"}
        return dict(self.system.call("production", "POST", RESET, why))

    def jump(self, hours: float) -> None:
        """Set the clock of server and services by so many hours off the true one."""
        strange_clock.set_ahead(self.clock, hours * HOUR)

    def errors(self) -> list[str]:
        """Answer what server and services have called an error, but for a database that is away; show the log of it."""
        log = self.system.home / "services.log"
        lines = [line for server in self.system.servers for line in server.said]
        lines += log.read_text().splitlines(keepends=True) if log.exists() else []
        ends = [at for at, line in enumerate(lines) if ERROR.match(line) and not _is_cause(lines[at:][:9])]
        last = {lines[at].strip(): at for at in ends if not AWAY.match(lines[at]) or LOCKED.search(lines[at])}
        for error, at in last.items():
            sys.stdout.write(f"\n*** {error}\n{''.join(lines[max(0, at - BEFORE) : at + 10])}")
        return sorted(last)

    def keep_up(self) -> None:
        """Start again what has ended, as an init system does."""
        if self.system.server.process.poll() is not None:
            self.system.restart()
        if self.services is not None and self.services.poll() is not None:
            self.start_services()


def _is_cause(lines: Sequence[str]) -> bool:
    """Say whether an error in a log was followed by another one, which came of it."""
    behind = (line for line in dropwhile(str.strip, lines) if line.strip())
    return next(behind, "").startswith(CAUSES)


@pytest.fixture(params=["sqlite", *SERVICES])
def place(request, tmp_path) -> Iterator[Place]:
    with ExitStack() as opened:
        yield Place(request.param, tmp_path, opened, durable=bool(request.node.get_closest_marker("campaign")))


def contend(
    place: Place, griefs: Sequence[tuple[int, Grief]], *, jobs: int, processes: int, each: int, seed: int
) -> list[str]:
    """Have a crowd of pilots take all jobs, with a grief whenever so many events are written.

    Returns:
        What came out wrong.
    """
    calm = place.services is None
    line = Line(place.system.port, seed, ROOT)
    place.opened.callback(line.close)
    token, began = place.system.home / "pilot.token", time.monotonic()
    crowd = Crowd(line.port, token, ROOT, seed=seed, processes=processes, each=each, calm=calm)
    place.opened.callback(crowd.close)
    for events, grief in griefs:
        wait_for(place, lambda events=events: place.rows.count(EVENTS) >= events, f"{events} moves")
        grief()
    wait_for(place, lambda: not place.rows.count(UNENDED), "the end of all jobs")
    notes, done = crowd.end(), line.end()
    tries = place.rows.count("SELECT COUNT(*) FROM taskbuffer_attempt")
    counted = {
        "seconds": round(time.monotonic() - began, 1),
        "pilots": processes * each,
        "jobs": jobs,
        "attempts": tries,
    }
    said = {**counted, "moves": place.rows.count(EVENTS), "calls": crowd.calls, "griefs": len(griefs), "line": done}
    sys.stdout.write(json.dumps(said) + "\n")
    return [*wrongs(place.rows), *contradictions(place.rows, notes), *disobeyed(place.rows, place.kills)]


def wait_for(place: Place, met: Callable[[], bool], what: str) -> None:
    """Keep the place up until something is so."""
    for _ in ticks(PATIENCE * 6, pause=0.1):
        place.keep_up()
        if met():
            return
    place.errors()
    raise AssertionError(f"it does not come to {what}; there are {place.rows.count(EVENTS)} moves")


def test_pilots_at_a_bad_line_have_each_job_once_whatever_is_killed(place):
    jobs = place.submit(32)
    griefs = [
        (60, place.kill_worker),
        (70, lambda: place.jump(3)),
        (80, lambda: place.kill_jobs(jobs[::8])),
        (90, place.kill_database),
        (110, lambda: place.jump(-3)),
    ]
    assert contend(place, griefs, jobs=32, processes=1, each=8, seed=5) == []
    place.jump(0)
    job = place.system.submit("echo muon > out.txt", [OUTPUT, LOG])
    status, said = place.system.run()
    assert status == 0, said
    assert place.system.state(job) == "finished"


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1])
def test_two_hundred_pilots_under_many_griefs_have_each_job_once(place, seed):
    jobs, chance = place.submit(1500), random.Random(seed)
    place.start_services()
    kinds = [
        place.kill_worker,
        place.kill_database,
        place.kill_server,
        place.kill_services,
        lambda: place.kill_jobs(chance.sample(jobs, 20)),
        place.reset_jobs,
        lambda: place.jump(chance.choice([-5, -3, 0, 0, 3, 5])),
    ]
    griefs = [(1900 + number * 190, chance.choice(kinds)) for number in range(24)]
    griefs.append((griefs[-1][0], lambda: place.jump(0)))
    wrong = contend(place, griefs, jobs=1500, processes=4, each=50, seed=seed)
    assert (wrong, place.errors()) == ([], [])
