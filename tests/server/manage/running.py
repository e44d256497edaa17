"""A real server on loopback for tests: `compass-server serve` on a home of its own, and peers that call it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.kits.tables import put_tables

ROOT = Path(__file__).parents[3]
PATIENCE = 150.0  # seconds


def environment(home: Path, **more: str) -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("COMPASS_", "DJANGO_"))}
    return {**plain, "COMPASS_SERVER_HOME": str(home), **more}


def command(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one ``compass-server`` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "server.manage", *words],
        env=environment(home, **more),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def init(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``compass-server init`` on a home that is not there, in a tenth of its time: its tables are there already."""
    if "COMPASS_SERVER_DATABASE" not in more:
        put_tables(home)
    return command(home, "init", *words, **more)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server process with its workers."""

    #: The module that is run.
    program = "server.manage"

    def __init__(self, home: Path, port: int, *, workers: int = 2, **more: str) -> None:
        self.home, self.port = home, port
        words = ["serve", "--port", str(port), "--workers", str(workers)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.program, *words],
            env=environment(home, **more),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if not self.ready.wait(PATIENCE):
            self.process.kill()
            raise AssertionError(f"the server did not say that it serves: {self.said}")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("serving on "):
                self.ready.set()
        self.ready.set()

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stdout.close()
        return status


class Peer:
    """Calls the server, and calls again while it is away, as a pilot does."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self.connection: HTTPConnection | None = None
        self.wait = threading.Event().wait

    def call(self, method: str, path: str, fields: dict[str, Any] | None = None, **headers: str) -> Any:
        body = None if fields is None else json.dumps(fields)
        said = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        for _ in range(600):
            try:
                return self._once(method, path, body, said)
            except (OSError, HTTPException):
                self.close()
                self.wait(0.1)
        raise TimeoutError(path)

    def _once(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Any:
        if self.connection is None:
            self.connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 500:
            raise HTTPException(text.decode())
        return json.loads(text)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None
