"""A real server of one's own: ``compass-server`` with an empty home, on a free port, ended at the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil

from pilot.contract.routes import SUBMIT_JOBS

QUEUE = "LOCAL"
#: Not in /tmp, which may be memory: durable writes are among what is measured.
BASE = Path(__file__).resolve().parents[1] / "build"
_STOPPED_WITHIN = 30.0
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A server that runs: its home, its port, the process, and its database's address unless that is in the home."""

    home: Path
    port: int
    pid: int
    database_url: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        return self.home / "db.sqlite3"

    def token(self, role: str) -> str:
        return (self.home / f"{role}.token").read_text().strip()

    def cpu_time(self) -> float:
        """Answer the CPU seconds that its processes have used, all together."""
        return sum(_ticks(pid) for pid in (self.pid, *_children(self.pid))) / _TICK

    def memory(self) -> int:
        """Answer the bytes that its processes have to themselves, with their parts of what they share."""
        return sum(psutil.Process(pid).memory_full_info().pss for pid in (self.pid, *_children(self.pid)))

    def submit(self, entries: Sequence[Mapping[str, Any]]) -> list[int]:
        """Give it jobs; answer their numbers."""
        connection = HTTPConnection("127.0.0.1", self.port)
        said = {"Authorization": f"Bearer {self.token('production')}", "Content-Type": "application/json"}
        connection.request("POST", SUBMIT_JOBS, json.dumps({"jobs": list(entries)}), said)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if not answer["success"]:
            raise RuntimeError(answer["message"])
        return [int(entry[0]) for entry in answer["data"]]


@contextlib.contextmanager
def serving(
    folder: Path, *, workers: int = 2, settings: str = "server.settings", database: str = ""
) -> Iterator[Server]:
    """Initialize a server's home in a folder, serve it, and stop.

    ``settings`` names the module of Django's settings: a benchmark may want to change one. ``database`` is the address
    of another database than SQLite.
    """
    home = folder / "home"
    own = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
    environment = {**own, "COMPASS_SERVER_HOME": str(home), "DJANGO_SETTINGS_MODULE": settings}
    if database:
        environment["COMPASS_SERVER_DATABASE"] = database
    program = [sys.executable, "-m", "server.manage"]
    root = Path(__file__).resolve().parents[1]
    initialize = [*program, "init", "--local-queue", QUEUE, "--storage", str(folder / "storage")]
    subprocess.run(initialize, env=environment, check=True, stdout=subprocess.DEVNULL, cwd=root)
    port = free_port()
    serve = [*program, "serve", "--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, text=True, cwd=root)
    try:
        if process.stdout is None or not any(line.startswith("serving on") for line in process.stdout):
            raise SystemExit("the server did not start; see above")
        yield Server(home, port, process.pid, database)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOPPED_WITHIN)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found + [below for child in found for below in _children(child)]


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[11]) + int(fields[12])
