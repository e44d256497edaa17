"""A small but real dispatcher over HTTP, for tests: it hands out jobs, takes reports, and can misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pilot.contract.job import JobSpec
from pilot.contract.job_wire import to_panda
from pilot.contract.queue import local_storage
from pilot.contract.routes import CONTRACT_HEADER

QUEUE = "TEST"


class Dispatcher:
    """What the server knows and has heard.

    ``misbehave`` is called with a path and the number of requests to it so far (from 0); an answer other than ``None``
    is (status, body) to be sent instead, or raises ``ConnectionAbortedError`` to have the connection closed.
    """

    def __init__(self, storage: Path) -> None:
        self.jobs: list[JobSpec] = []
        self.raw_jobs: list[Mapping[str, Any]] = []  # handed out as they are, before the others
        self.given: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[dict[str, Any]] = []  # requests for work, each with the cores that its header offers
        self.updates: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []  # updates that were answered with success
        self.headers: list[Mapping[str, str]] = []
        self.commands: dict[int, str] = {}
        self.secrets: dict[int, Mapping[str, str]] = {}  # given for a pilot's own use with the answers to its reports
        self.attempts: dict[int, int] = {}  # the attempt that a job's command is for, where it is said
        self.queue: dict[str, Any] = queue_data()
        self.storages = {"STORE": local_storage("STORE", str(storage))}
        self.misbehave: Callable[[str, int], tuple[int, bytes] | None] = lambda path, count: None
        self.counts: dict[str, int] = {}
        self.announces = False  # like a server of ours, that it knows request ids
        self.changed = threading.Condition()
        self.url = ""

    def answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        with self.changed:
            count = self.counts.get(path, 0)
            self.counts[path] = count + 1
        try:
            broken = self.misbehave(path, count)
            return broken if broken is not None else self._answer(path, body, headers)
        finally:
            with self.changed:
                self.changed.notify_all()

    def _answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if path == f"/cache/schedconfig/{QUEUE}.all.json":
            return 200, json.dumps(self.queue).encode()
        if path == "/cache/ddmendpoints.json":
            return 200, json.dumps(self.storages).encode()
        with self.changed:
            self.headers.append(dict(headers))
            if path == "/api/v1/pilot/acquire_jobs":
                asked = json.loads(body)
                self.asked.append({**asked, "cores": headers.get("X-Compass-Cores")})
                return 200, json.dumps(self._acquire(asked, headers["X-Compass-Request-Id"])).encode()
            if path == "/api/v1/pilot/update_job":
                return 200, json.dumps(self._update(json.loads(body))).encode()
        return 404, b"no such page"

    def _acquire(self, asked: Mapping[str, Any], request_id: str) -> Mapping[str, Any]:
        if request_id not in self.given:
            count = int(asked["n_jobs"])
            raw, self.raw_jobs = self.raw_jobs[:count], self.raw_jobs[count:]
            mine, self.jobs = self.jobs[: count - len(raw)], self.jobs[count - len(raw) :]
            self.given[request_id] = [*map(dict, raw), *map(to_panda, mine)]
        jobs = self.given[request_id]
        if not jobs:
            return {"success": False, "message": "No jobs in PanDA", "data": None}
        return {"success": True, "message": "", "data": {"StatusCode": 0, "jobs": jobs}}

    def _update(self, update: dict[str, Any]) -> Mapping[str, Any]:
        if "job_id" not in update:
            return {"success": False, "message": "Argument error: job_id: missing", "data": None}
        self.updates.append(update)
        self.taken.append(update)
        said: dict[str, Any] = {"StatusCode": 0, "command": self.commands.get(update["job_id"])}
        if update["job_id"] in self.secrets:
            said["pilotSecrets"] = self.secrets[update["job_id"]]
        if update["job_id"] in self.attempts:
            said["attemptNr"] = self.attempts[update["job_id"]]
        return {"success": True, "message": "", "data": said}

    def wait_for(self, met: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until something is so; looked at after each request."""
        with self.changed:
            assert self.changed.wait_for(met, seconds), f"it did not come; updates: {self.updates}"

    def finals(self) -> list[dict[str, Any]]:
        """Answer the final reports that were taken, as often as they came."""
        return [update for update in self.taken if update["job_status"] in ("finished", "failed")]


def queue_data(**more: Any) -> dict[str, Any]:
    activities = ("read_lan", "write_lan", "pl", "default")
    return {
        "nickname": QUEUE,
        "status": "online",
        "state": "ACTIVE",
        "copytools": {"local": {}},
        "acopytools": {activity: ["local"] for activity in activities},
        "astorages": {activity: ["STORE"] for activity in activities},
        **more,
    }


@contextmanager
def serving(storage: Path) -> Iterator[Dispatcher]:
    """Serve on a free port of this machine."""
    dispatcher = Dispatcher(storage)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.respond(b"")

        def do_POST(self) -> None:
            self.respond(self.rfile.read(int(self.headers["Content-Length"])))

        def respond(self, body: bytes) -> None:
            try:
                status, said = dispatcher.answer(self.path, body, self.headers)
            except ConnectionAbortedError:
                self.close_connection = True
                return
            try:
                head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(said)}\r\n"
                head += f"{CONTRACT_HEADER}: 1\r\n\r\n" if dispatcher.announces else "\r\n"
                self.wfile.write(head.encode() + said)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        dispatcher.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield dispatcher
        finally:
            server.shutdown()
            thread.join()
