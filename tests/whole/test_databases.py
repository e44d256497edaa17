"""The server on each database, as processes: one whole job, and many pilots whose calls and servers come to grief."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.services import mariadb, postgresql
from tests.services.mariadb import MariaDB
from tests.services.postgresql import PostgreSQL
from tests.whole import contending
from tests.whole.audit import Rows
from tests.whole.local_system import PATIENCE, ROOT, ticks
from tests.whole.served_rows import ServedRows, wrongs
from tests.whole.test_one_job import LOG, OUTPUT, SUBMIT, System

pytestmark = pytest.mark.one_python

SERVICES = {"postgresql": postgresql.running, "mariadb": mariadb.running}
EVENTS = "SELECT COUNT(*) FROM taskbuffer_jobevent"


class Place:
    """A database of one kind, and a server on it."""

    def __init__(self, kind: str, folder, opened: ExitStack) -> None:
        self.service: PostgreSQL | MariaDB | None = None
        told: dict[str, str] = {}
        if kind != "sqlite":
            self.service = opened.enter_context(SERVICES[kind]())
            self.service.make_database("compass")
            told = {"COMPASS_SERVER_DATABASE": self.service.url("compass")}
        self.system = System(folder, told=told, workers=3)
        opened.callback(self.system.close)
        self.rows = ServedRows(told["COMPASS_SERVER_DATABASE"]) if told else Rows(self.system.home / "db.sqlite3")

    def submit(self, count: int) -> None:
        """Submit jobs of several kinds, priorities and queues' places in one call."""
        entry = {"computingSite": "LOCAL", "transformation": "true", "maxAttempt": 3, "files": [OUTPUT, LOG]}
        entries = [{**entry, "currentPriority": number % 7, "minRamCount": number % 3 * 100} for number in range(count)]
        self.system.call("production", "POST", SUBMIT, {"jobs": entries})

    def kill_worker(self) -> None:
        """Kill the oldest one, which is replaced; a server that takes this for a loop of crashes ends."""
        os.kill(self.system.server.workers()[0], signal.SIGKILL)

    def kill_database(self) -> None:
        """Kill the database, or where it is a file, the whole server; start it again."""
        if self.service is not None:
            self.service.kill()
            self.service.start()
        else:
            self.system.server.end(signal.SIGKILL)

    def keep_up(self) -> None:
        """Start the server again when it has ended, as an init system does."""
        if self.system.server.process.poll() is not None:
            self.system.restart()


@pytest.fixture(params=["sqlite", *SERVICES])
def place(request, tmp_path) -> Iterator[Place]:
    with ExitStack() as opened:
        yield Place(request.param, tmp_path, opened)


def contend(place: Place, *, jobs: int, clients: int, griefs: list[tuple[int, Callable[[], None]]]) -> list[str]:
    """Have many pilots take all jobs, with a grief whenever so many events are written; answer what came out wrong."""
    place.submit(jobs)
    token = place.system.home / "pilot.token"
    started = contending.start(clients, place.system.port, token, ROOT)
    try:
        for events, grief in griefs:
            for _ in ticks(PATIENCE):
                place.keep_up()
                if place.rows.count(EVENTS) >= events:
                    break
            else:
                raise AssertionError(f"nothing goes on at {events} events")
            grief()
        for _ in ticks(PATIENCE * 4):
            place.keep_up()
            if all(client.poll() is not None for client in started):
                break
        had = contending.ended(started)
    finally:
        for client in started:
            if client.poll() is None:
                client.kill()
            client.communicate()
    return wrongs(place.rows, jobs, had)


def test_pilots_whose_calls_come_twice_late_or_never_have_each_job_once_whatever_is_killed(place):
    griefs = [(80, place.kill_worker), (140, place.kill_database)]
    assert contend(place, jobs=50, clients=3, griefs=griefs) == []
    job = place.system.submit("echo muon > out.txt", [OUTPUT, LOG])
    status, said = place.system.run()
    assert status == 0, said
    assert place.system.state(job) == "finished"


@pytest.mark.campaign
def test_many_pilots_under_many_kills_have_each_job_once(place):
    chance = random.Random(5)
    griefs = [
        (1200 + number * 100, place.kill_worker if chance.random() < 0.6 else place.kill_database)
        for number in range(20)
    ]
    assert contend(place, jobs=1000, clients=8, griefs=griefs) == []
