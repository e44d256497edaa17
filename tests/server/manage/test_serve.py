"""The real server: many pilots at once, repeated and doubled requests, and kill -9 in the middle of it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from pilot.contract.states import JobState, may_follow
from tests.server.manage.running import PATIENCE, ROOT, Peer, Server, command, free_port, init

JOBS, MANY_JOBS = 60, 400
CLIENTS = 4
SUBMIT = "/api/v1/job/submit"

pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def initial(tmp_path_factory):
    """A home in which nothing has been served."""
    folder = tmp_path_factory.mktemp("initial")
    done = init(folder / "home", "--local-queue", "LOCAL", "--storage", str(folder / "storage"))
    assert done.returncode == 0, done.stderr
    return folder / "home"


@pytest.fixture
def home(initial, tmp_path):
    return shutil.copytree(initial, tmp_path / "home")


def token(home: Path, role: str) -> str:
    return (home / f"{role}.token").read_text().strip()


def submit(home: Path, port: int, count: int) -> list[int]:
    entry = {
        "computingSite": "LOCAL",
        "transformation": "true",
        "files": [{"lfn": "out.root", "type": "output"}, {"lfn": "job.log.tgz", "type": "log"}],
    }
    answer = Peer(port, token(home, "production")).call("POST", SUBMIT, {"jobs": [entry] * count})
    assert answer["success"], answer
    return [row[0] for row in answer["data"]]


def start_pilots(home: Path, port: int) -> list[subprocess.Popen[str]]:
    pilots = []
    for number in range(CLIENTS):
        pilot = subprocess.Popen(
            [sys.executable, "-m", "tests.server.manage.living", str(port), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert pilot.stdin is not None
        pilot.stdin.write(token(home, "pilot") + "\n")
        pilot.stdin.close()
        pilot.stdin = None
        pilots.append(pilot)
    return pilots


class Watch:
    """Reads what the pilots say they were given, and says when so many jobs were."""

    def __init__(self, pilots: list[subprocess.Popen[str]]) -> None:
        self.given: list[str] = []
        self.changed = threading.Condition()
        self.readers = [threading.Thread(target=self._read, args=(pilot,), daemon=True) for pilot in pilots]
        for reader in self.readers:
            reader.start()

    def _read(self, pilot: subprocess.Popen[str]) -> None:
        assert pilot.stdout is not None
        for line in pilot.stdout:
            with self.changed:
                self.given.append(line.strip())
                self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.given) >= count, timeout=60)


def audit(home: Path, ids: list[int], given: list[str]) -> None:
    """Nothing was given twice, nothing was lost, every chain of moves is whole."""
    with closing(sqlite3.connect(home / "db.sqlite3")) as database, database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        states = Counter(row[0] for row in database.execute("SELECT state FROM taskbuffer_job"))
        assert states["finished"] + states["failed"] == len(ids), states
        rows = database.execute(
            "SELECT job_id, attempt, state_before, state_after FROM taskbuffer_jobevent ORDER BY id"
        ).fetchall()
        stored = database.execute(
            "SELECT count(*) FROM taskbuffer_jobfile WHERE role = 'output' AND state = 'ready'"
        ).fetchone()
        left = [database.execute(f"SELECT count(*) FROM taskbuffer_{name}").fetchone() for name in ("ready", "live")]
    assert stored == (states["finished"],)
    assert left == [(0,), (0,)]
    sent = Counter(f"{job} {attempt}" for job, attempt, _, after in rows if after == "sent")
    assert set(sent.values()) == {1}
    assert sorted(given) == sorted(sent), "each attempt was given to exactly one pilot"
    last = dict.fromkeys(ids, "")
    for job, _, before, after in rows:
        assert before == last[job]
        assert not before or may_follow(JobState(before), JobState(after))
        last[job] = after
    ends = Counter(job for job, _, _, after in rows if after == "finished")
    assert set(ends.values()) <= {1}


def end_well(pilots: list[subprocess.Popen[str]], watch: Watch) -> None:
    for pilot in pilots:
        assert pilot.wait(300) == 0, pilot.stderr.read() if pilot.stderr else ""
    for reader in watch.readers:
        reader.join(10)


@pytest.mark.parametrize("jobs", [JOBS, pytest.param(MANY_JOBS, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("victim", ["nobody", "a worker", "the server"])
def test_pilots_at_work_lose_nothing_and_get_nothing_twice(home, victim, jobs):
    port = free_port()
    server = Server(home, port)
    pilots: list[subprocess.Popen[str]] = []
    try:
        ids = submit(home, port, jobs)
        pilots = start_pilots(home, port)
        watch = Watch(pilots)
        if victim == "a worker":
            watch.wait_for(jobs // 3)
            os.kill(server.workers()[-1], signal.SIGKILL)
        elif victim == "the server":
            watch.wait_for(jobs // 3)
            orphans = server.workers()
            server.end(signal.SIGKILL)
            server = Server(home, port)
            assert not set(orphans) & set(server.workers())
        end_well(pilots, watch)
    finally:
        for pilot in pilots:
            pilot.kill()
            pilot.communicate()
        status = server.end()
    assert status == 0, server.said
    audit(home, ids, watch.given)


def test_workers_that_die_again_and_again_are_replaced_and_the_server_stays(home):
    port = free_port()
    server = Server(home, port, workers=1)
    try:
        for _ in range(3):
            (worker,) = server.workers()
            os.kill(worker, signal.SIGKILL)
            end = time.monotonic() + PATIENCE
            while server.workers() in ([], [worker]):
                assert time.monotonic() < end
                threading.Event().wait(0.02)
        assert Peer(port, "").call("GET", "/api/v1/system/is_alive")["success"]
    finally:
        status = server.end()
    assert status == 0, server.said


def test_the_server_says_where_it_is_and_stops_when_asked(home):
    port = free_port()
    server = Server(home, port, workers=1)
    assert server.said == [f"serving on http://127.0.0.1:{port}\n"]
    taken = command(home, "serve", "--port", str(port))
    assert taken.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in taken.stderr
    page = Peer(port, "").call("GET", "/api/v1/system/is_alive")
    assert page["success"]
    workers = server.workers()
    assert server.end() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
