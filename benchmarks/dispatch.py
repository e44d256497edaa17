"""How many jobs per second live their whole life through the server, beside the bare database doing the same writes.

A life is four calls: submit, acquire, a report of running, a final report with one output and a log. Four client
processes call over HTTP; the bare variant is four processes that do the same durable writes as prepared statements on
the same tables, each call one transaction. Both run in turns on this machine, so that the ratio means something.

    python -m benchmarks.dispatch [--jobs 400] [--rounds 3] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

CLIENTS = 4
FILES = {name: {"fsize": 10, "adler32": "0000000a", "guid": "0-1"} for name in ("out.root", "job.log.tgz")}
ENTRY = {
    "computingSite": "LOCAL",
    "transformation": "true",
    "files": [{"lfn": "out.root", "type": "output"}, {"lfn": "job.log.tgz", "type": "log"}],
}


class Http:
    """One client over HTTP."""

    def __init__(self, home: Path, port: int, *, keep: bool) -> None:
        self.port, self.keep = port, keep
        self.tokens = {name: (home / f"{name}.token").read_text().strip() for name in ("pilot", "production")}
        self.connection = HTTPConnection("127.0.0.1", port)

    def call(self, role: str, path: str, fields: dict[str, Any], **headers: str) -> Any:
        said = {"Authorization": f"Bearer {self.tokens[role]}", "Content-Type": "application/json", **headers}
        if not self.keep:
            said["Connection"] = "close"
        self.connection.request("POST", path, json.dumps(fields), said)
        text = self.connection.getresponse().read()
        if not self.keep:
            self.connection.close()
        answer = json.loads(text)
        if not answer["success"]:
            raise RuntimeError(answer["message"])
        return answer["data"]

    def live(self) -> None:
        self.call("production", "/api/v1/job/submit", {"jobs": [ENTRY]})
        named = {"X-Compass-Request-Id": uuid.uuid4().hex}
        (job,) = self.call("pilot", "/api/v1/pilot/acquire_jobs", {"site_name": "LOCAL"}, **named)["jobs"]
        said = {"job_id": job["PandaID"], "attempt_nr": job["attemptNr"]}
        self.call("pilot", "/api/v1/pilot/update_job", {**said, "job_status": "running"})
        self.call("pilot", "/api/v1/pilot/update_job", {**said, "job_status": "finished", "job_output_report": FILES})


_EVENT = (
    "INSERT INTO taskbuffer_jobevent (job_id, attempt, state_before, state_after, moved_at, moved_by, detail)"
    " VALUES (?, 1, ?, ?, ?, 'bare', '')"
)
_JOB = (
    "INSERT INTO taskbuffer_job (attempt, max_attempts, state, bucket_id, queue, label, priority, name, user_name,"
    " transformation, command, node, pilot_id, created_at, pilot_error, pilot_error_words, payload_error,"
    " payload_error_words, dispatcher_error, taskbuffer_error, data_error, supervisor_error, server_error_words)"
    " VALUES (1, 3, 'activated', ?, 'LOCAL', 'managed', 0, 'j', '', 'true', '', '', '', ?, 0, '', 0, '', 0, 0, 0, 0,"
    " '')"
)
_FILE = (
    "INSERT INTO taskbuffer_jobfile (job_id, lfn, role, state, scope, dataset, endpoint, guid, url, may_be_missing)"
    " VALUES (?, ?, ?, 'unknown', '', '', '', '', '', 0)"
)
_ATTEMPT = (
    "INSERT INTO taskbuffer_attempt (job_id, number, state, request_id, nth, queue, node, pilot_id, batch_id, sent_at,"
    " pilot_error, pilot_error_words, payload_error, payload_error_words, dispatcher_error, data_error,"
    " server_error_words, digest, answer)"
    " VALUES (?, 1, 'sent', ?, 0, 'LOCAL', '', '', '', ?, 0, '', 0, '', 0, 0, '', '', '')"
)
_LIVE = (
    "INSERT INTO taskbuffer_live (job_id, attempt, queue, state, heartbeat, tail) VALUES (?, 1, 'LOCAL', 'sent', ?, '')"
)


class Bare:
    """One client that writes the same rows itself."""

    def __init__(self, home: Path) -> None:
        self.database = sqlite3.connect(home / "db.sqlite3", isolation_level=None, timeout=60)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self.database.execute(f"PRAGMA {pragma}")
        self.bucket = self.database.execute("SELECT min(id) FROM taskbuffer_bucket").fetchone()[0]
        self.panda = json.dumps({"jobPars": "x" * 1500})

    def live(self) -> None:
        at = "2026-01-01 00:00:00"
        for step in (self.submit, self.acquire, self.run, self.finish):
            self.database.execute("BEGIN IMMEDIATE")
            step(at)
            self.database.execute("COMMIT")

    def submit(self, at: str) -> None:
        do = self.database.execute
        self.job = do(_JOB, (self.bucket, at)).lastrowid
        do("INSERT INTO taskbuffer_jobparameters VALUES (?, ?)", (self.job, self.panda))
        do(_FILE, (self.job, "out.root", "output"))
        do(_FILE, (self.job, "job.log.tgz", "log"))
        do(
            "INSERT INTO taskbuffer_ready (job_id, bucket_id, place) VALUES (?, ?, ?)",
            (self.job, self.bucket, self.job),
        )
        do(_EVENT, (self.job, "", "activated", at))

    def acquire(self, at: str) -> None:
        do = self.database.execute
        found = do(
            "SELECT job_id FROM taskbuffer_ready WHERE bucket_id = ? ORDER BY place LIMIT 1", (self.bucket,)
        ).fetchone()
        self.job = found[0]
        do("SELECT panda FROM taskbuffer_jobparameters WHERE job_id = ?", (self.job,)).fetchone()
        do("DELETE FROM taskbuffer_ready WHERE job_id = ?", (self.job,))
        do("UPDATE taskbuffer_job SET state = 'sent' WHERE id = ? AND state = 'activated'", (self.job,))
        do(_ATTEMPT, (self.job, uuid.uuid4().hex, at))
        do(_LIVE, (self.job, time.time()))
        do(_EVENT, (self.job, "activated", "sent", at))

    def run(self, at: str) -> None:
        do = self.database.execute
        do("UPDATE taskbuffer_live SET state = 'running', heartbeat = ? WHERE job_id = ?", (time.time(), self.job))
        do(
            "UPDATE taskbuffer_job SET state = 'running', started_at = ? WHERE id = ? AND state = 'sent'",
            (at, self.job),
        )
        do("UPDATE taskbuffer_attempt SET state = 'running', started_at = ? WHERE job_id = ?", (at, self.job))
        do(_EVENT, (self.job, "sent", "running", at))

    def finish(self, at: str) -> None:
        do = self.database.execute
        do(
            "UPDATE taskbuffer_job SET state = 'finished', ended_at = ? WHERE id = ? AND state = 'running'",
            (at, self.job),
        )
        do("DELETE FROM taskbuffer_live WHERE job_id = ?", (self.job,))
        do(
            "UPDATE taskbuffer_attempt SET state = 'finished', ended_at = ?, digest = ? WHERE job_id = ?",
            (at, "0" * 64, self.job),
        )
        do(
            "INSERT INTO taskbuffer_jobreport SELECT id, ?, '' FROM taskbuffer_attempt WHERE job_id = ? AND number = 1",
            (json.dumps(FILES), self.job),
        )
        for name in FILES:
            do(
                "UPDATE taskbuffer_jobfile SET state = 'ready', size = 10, checksum = 'adler32:0000000a', attempt = 1"
                " WHERE job_id = ? AND lfn = ?",
                (self.job, name),
            )
        do(_EVENT, (self.job, "running", "finished", at))


def work(make: Callable[[], Http | Bare], count: int, start: Any) -> None:
    client = make()
    start.wait()
    for _ in range(count):
        client.live()


def measure(make: Callable[[], Http | Bare], count: int) -> float:
    """Answer lives per second of four processes together."""
    forked = multiprocessing.get_context("fork")
    start = forked.Barrier(CLIENTS + 1)
    clients = [forked.Process(target=work, args=(make, count // CLIENTS, start)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    start.wait()
    begin = time.perf_counter()
    for client in clients:
        client.join()
    if any(client.exitcode for client in clients):
        raise SystemExit("a client failed; see above")
    return (count // CLIENTS) * CLIENTS / (time.perf_counter() - begin)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=400, help="jobs per round and variant")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the server")
    options = parser.parse_args()
    # Not in /tmp where that is memory: durable writes are what is measured.
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        home = Path(folder) / "home"
        env = {**os.environ, "COMPASS_SERVER_HOME": str(home)}
        words = [sys.executable, "-m", "server.manage"]
        subprocess.run([*words, "init", "--local-queue", "LOCAL", "--storage", f"{folder}/s"], env=env, check=True)
        port = free_port()
        serve = [*words, "serve", "--port", str(port), "--workers", str(options.workers)]
        server = subprocess.Popen(serve, env=env, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None  # noqa: S101
            server.stdout.readline()  # it says its address when it answers
            Http(home, port, keep=True).live()
            report(home, port, options)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def report(home: Path, port: int, options: argparse.Namespace) -> None:
    variants: dict[str, Callable[[], Http | Bare]] = {
        "bare": lambda: Bare(home),
        "http, kept connections": lambda: Http(home, port, keep=True),
        "http, a connection per call": lambda: Http(home, port, keep=False),
    }
    found: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(options.rounds):
        for name, make in variants.items():
            found[name].append(measure(make, options.jobs))
    bare = statistics.median(found["bare"])
    for name, rates in found.items():
        rate = statistics.median(rates)
        spread = f"{min(rates):.0f}..{max(rates):.0f}"
        print(f"{name:28} {rate:7.0f} lives/s ({spread})  {bare / rate:5.2f} x the time of bare")


if __name__ == "__main__":
    main()
