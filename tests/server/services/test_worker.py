"""The worker for real: a process with beat, listener and threads, on a home of its own."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.server.services.conftest import environment

pytestmark = pytest.mark.one_python

PATIENCE = 120.0


class Worker:
    def __init__(self, home: Path, variables: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.log = (home / "services.log").open("ab")
        argv = [sys.executable, "-m", "server.manage", "services"]
        self.process = subprocess.Popen(
            argv, env={**environment(home), **(variables or {})}, stdout=self.log, stderr=self.log
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.log.close()


@pytest.fixture
def start(home):
    workers: list[Worker] = []

    def start() -> Worker:
        workers.append(Worker(home))
        return workers[-1]

    yield start
    for worker in workers:
        if worker.process.poll() is None:
            worker.stop(signal.SIGKILL)


def until(condition, why: str):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, why
        time.sleep(0.05)  # another process's files and tables cannot be waited for
    return found


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def rows(home: Path, question: str) -> list[tuple]:
    database = sqlite3.connect(f"file:{home}/db.sqlite3?mode=ro", uri=True, timeout=30)
    try:
        return database.execute(question).fetchall()
    finally:
        database.close()


def wake(home: Path, name: str) -> None:
    door = os.open(home / "services.wake", os.O_WRONLY | os.O_NONBLOCK)
    os.write(door, f"{name}\n".encode())
    os.close(door)


def test_services_run_by_the_second_and_when_woken_and_stop_in_seconds(start, home):
    worker = start()
    until(lambda: len(lines(home / "ticks")) >= 5, "the service of one second does not run")
    ticks = [float(line) for line in lines(home / "ticks")][1:]
    assert 0.6 < (ticks[-1] - ticks[0]) / (len(ticks) - 1) < 4.0

    until(lambda: lines(home / "woken"), "what never ran does not run at the start")
    asked = time.time()
    wake(home, "beating.woken")
    second = until(lambda: lines(home / "woken")[1:], "it was not woken")
    assert float(second[0]) - asked < PATIENCE

    failed = rows(home, "select words, failures from services_servicerun r join services_service s "
                        "on s.name = r.service_id where s.name = 'beating.bad' order by r.id desc limit 1")  # fmt: skip
    assert failed[0][0] == "ValueError: the disk is full"
    assert failed[0][1] >= 1
    results = rows(home, "select status from django_celery_results_taskresult where periodic_task_name='beating.tick'")
    assert ("SUCCESS",) in results

    until(lambda: lines(home / "began"), "the long service did not begin")
    family = psutil.Process(worker.process.pid).children(recursive=True)
    begin = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - begin < 60
    assert [process for process in family if process.is_running()] == []
    stopped = rows(home, "select outcome, words from services_servicerun where service_id = 'beating.long'")
    assert stopped == [("skipped", "the worker was asked to stop")]


def test_a_worker_that_is_killed_in_the_middle_is_replaced_and_its_lease_is_taken_over(start, home):
    first = start()
    until(lambda: lines(home / "began") == ["x"], "the long service did not begin")
    first.stop(signal.SIGKILL)
    (held,) = rows(home, "select owner, generation from services_lease where name = 'beating.long'")
    assert held[0]
    (home / "go").touch()
    start()
    # The lease was good for ten minutes; its owner is dead.
    until(
        lambda: rows(home, "select 1 from services_servicerun where service_id='beating.long' and outcome='ok'"),
        "the lease of a dead worker is not taken over",
    )


def test_two_workers_on_one_home_do_no_more_than_one(start, home):
    start()
    start()
    until(lambda: len(lines(home / "ticks")) >= 8, "the service of one second does not run")
    ticks = [float(line) for line in lines(home / "ticks")][1:]
    assert (ticks[-1] - ticks[0]) / (len(ticks) - 1) > 0.6
    owners = rows(home, "select distinct owner from services_servicerun where service_id = 'beating.tick'")
    assert owners


def test_an_interval_that_is_changed_while_it_runs_holds_within_seconds(start, home):
    start()
    until(lambda: lines(home / "ticks"), "the service of one second does not run")
    change = (
        "import django; django.setup(); from server.services import logic; "
        "logic.reschedule('beating.tick', period=None, enabled=False)"
    )
    subprocess.run([sys.executable, "-c", change], env=environment(home), check=True, timeout=60)

    def quiet() -> bool:
        before = len(lines(home / "ticks"))
        time.sleep(2.5)  # beat looks once a second
        return len(lines(home / "ticks")) == before

    until(quiet, "it goes on every second")
