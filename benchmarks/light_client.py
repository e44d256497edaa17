"""A client that costs next to nothing: a plain socket and bodies that were written beforehand.

What it does to the bytes of an answer is no more than to find its length and one number, so that on a machine that it
shares with the server it does not measure itself.
"""

from __future__ import annotations

import json
import os
import re
import socket
from typing import Any

from benchmarks.bare_writes import FILES
from benchmarks.system import QUEUE, Server
from pilot.contract import routes

ENTRY = {
    "computingSite": QUEUE,
    "transformation": "true",
    "files": [{"lfn": "out.root", "type": "output"}, {"lfn": "job.log.tgz", "type": "log"}],
}
UPDATE_MANY = f"{routes.V1_BASE}/pilot/update_jobs_bulk"
#: Jobs that one client takes through their lives together.
MANY = 20
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_JOB = re.compile(rb'"PandaID": ?(\d+)')


class Caller:
    """One client over HTTP; ``keep`` says whether its connection serves for all calls, or each call makes one."""

    def __init__(self, server: Server, *, keep: bool) -> None:
        self._address = ("127.0.0.1", server.port)
        self._keep = keep
        self._socket: socket.socket | None = None

    def head(self, server: Server, role: str, path: str) -> bytes:
        """Write the beginning of calls to one address, by the first token of a role."""
        said = {
            "Host": "127.0.0.1",
            "Authorization": f"Bearer {server.token(role)}",
            "Content-Type": "application/json",
        }
        if not self._keep:
            said["Connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        return f"POST {path} HTTP/1.1\r\n{lines}".encode()

    def call(self, request: bytes) -> bytes:
        """Send a whole call; answer all that came back.

        Raises:
            RuntimeError: the server refused, or hung up.
        """
        if self._socket is None:
            self._socket = socket.create_connection(self._address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        answer = _received(self._socket)
        if not self._keep:
            self._socket.close()
            self._socket = None
        if b'"success":true' not in answer:
            raise RuntimeError(answer.decode(errors="replace"))
        return answer

    def acquired(self, acquire: bytes, body: bytes) -> list[int]:
        """Ask for jobs under a name of its own; answer their numbers."""
        named = f"{routes.REQUEST_ID}: {os.urandom(16).hex()}\r\n".encode()
        return [int(number) for number in _JOB.findall(self.call(acquire + named + ended(body)))]


class Wire(Caller):
    """A client that takes jobs through their lives."""

    def __init__(self, server: Server, *, keep: bool) -> None:
        super().__init__(server, keep=keep)
        self._submit = self.head(server, "production", routes.SUBMIT_JOBS) + ended(
            json.dumps({"jobs": [ENTRY]}).encode()
        )
        self._acquire = self.head(server, "pilot", routes.ACQUIRE_JOBS)
        self._update = self.head(server, "pilot", routes.UPDATE_JOB_V1)
        self._update_many = self.head(server, "pilot", UPDATE_MANY)

    def live(self) -> None:
        """Take one job through its whole life, by four calls. It may be another client's: all of them are alike."""
        self.call(self._submit)
        self.live_on()

    def live_on(self) -> None:
        """Take one job that waits through the rest of its life, by three calls."""
        (job,) = self.hold(1)
        self.call(self._update + report(job, "running"))
        self.call(self._update + report(job, "finished"))

    def live_together(self) -> None:
        """Take many jobs that wait through the rest of their lives, by three calls."""
        jobs = self.hold(MANY)
        for state in ("running", "finished"):
            reports = [said(job, state) for job in jobs]
            self.call(self._update_many + ended(json.dumps({"job_list": reports}).encode()))

    def hold(self, count: int) -> list[int]:
        """Ask for jobs until there are so many: fewer may be given where another client has been faster with some."""
        held: list[int] = []
        while len(held) < count:
            found = self.acquired(
                self._acquire, b'{"site_name": "%s", "n_jobs": %d}' % (QUEUE.encode(), count - len(held))
            )
            if not found:
                raise RuntimeError(f"there were {len(held)} of {count} jobs to acquire")
            held += found
        return held


def said(job: int, state: str) -> dict[str, Any]:
    """Answer what is reported of a job's first attempt, with its files when it is finished."""
    files = {"job_output_report": FILES} if state == "finished" else {}
    return {"job_id": job, "attempt_nr": 1, "job_status": state, **files}


def report(job: int, state: str) -> bytes:
    """Write the rest of a call that reports the state of a job."""
    return ended(json.dumps(said(job, state)).encode())


def ended(body: bytes) -> bytes:
    """Write the rest of a call: how long its body is, and the body."""
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def _received(connection: socket.socket) -> bytes:
    """Read one whole answer."""
    answer = connection.recv(65536)
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += _more(connection)
    length = _LENGTH.search(answer, 0, end)
    whole = end + 4 + (int(length[1]) if length else 0)
    while len(answer) < whole:
        answer += _more(connection)
    return answer


def _more(connection: socket.socket) -> bytes:
    if not (piece := connection.recv(65536)):
        raise RuntimeError("the server closed the connection in the middle of an answer")
    return piece
