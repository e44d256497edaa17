"""Pilots that are many, and whose calls come twice, late or not at all: each is a process that speaks plain HTTP.

``python -m tests.whole.contending PORT TOKEN-FILE SEED`` is one of them: it takes jobs until there are none.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from pilot.contract import routes
from pilot.contract.codes import ErrorCode

#: Seconds that a client waits for a server that is away.
PATIENCE = 150.0
#: The queue is empty for a client when it has heard so this many times in a row.
IDLE = 5
#: How a call goes wrong, and how often.
WAYS = {"plain": 10, "twice": 3, "answer lost": 3, "late": 2, "both at once": 2}
QUEUE = "LOCAL"


class Client:
    """One pilot after the other."""

    def __init__(self, port: int, token: str, seed: int) -> None:
        self.port, self.seed = port, seed
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.random = random.Random(seed)
        self.late: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.jobs = 0
        self.pause = threading.Event().wait

    def run(self) -> None:
        idle = 0
        while idle < IDLE:
            request = {routes.REQUEST_ID: uuid.UUID(int=self.random.getrandbits(128)).hex}
            given = self.call(routes.ACQUIRE_JOBS, {"site_name": QUEUE}, request)
            if not given["success"]:
                idle += 1
                self.pause(0.05)
                continue
            idle = 0
            for job in given["data"]["jobs"]:
                self.jobs += 1
                self.live(job["PandaID"], job["attemptNr"], job)
        for path, body, headers in self.late:
            self.once(path, body, headers)

    def live(self, number: int, attempt: int, job: Mapping[str, Any]) -> None:
        """Run a job, or fail it in a way that another attempt may mend."""
        about = {"job_id": number, "attempt_nr": attempt}
        self.call(routes.UPDATE_JOB_V1, {**about, "job_status": "running"})
        if attempt == 1 and self.random.random() < 0.2:
            lost = int(ErrorCode.STAGE_OUT_FAILED)
            self.call(routes.UPDATE_JOB_V1, {**about, "job_status": "failed", "pilot_error_code": lost})
            return
        names = job["outFiles"].split(",")
        files = {name: {"fsize": 10 + attempt, "adler32": "0000000a", "guid": f"{number}-{name}"} for name in names}
        self.call(routes.UPDATE_JOB_V1, {**about, "job_status": "finished", "job_output_report": json.dumps(files)})

    def call(self, path: str, fields: Mapping[str, Any], more: Mapping[str, str] = {}) -> dict[str, Any]:
        """Make a call in one of the ways that go wrong; answer what was said in the end."""
        body, headers = json.dumps(fields).encode(), {**self.headers, **more}
        (way,) = self.random.choices(list(WAYS), list(WAYS.values()))
        if way == "answer lost":
            self.once(path, body, headers, listen=False)
        elif way == "twice":
            self.once(path, body, headers)
        elif way == "both at once":
            other = threading.Thread(target=self.once, args=(path, body, headers))
            other.start()
            self.once(path, body, headers)
            other.join()
        if way == "late" and path != routes.ACQUIRE_JOBS:  # a late question might be given what nobody then has
            self.late.append((path, body, headers))
        elif self.late and self.random.random() < 0.3:
            self.once(*self.late.pop(self.random.randrange(len(self.late))))
        return self.once(path, body, headers)

    def once(self, path: str, body: bytes, headers: Mapping[str, str], *, listen: bool = True) -> dict[str, Any]:
        """Send one request until it is answered; or, without listening, until it is sent."""
        for _ in range(int(PATIENCE / 0.1)):
            connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            with contextlib.closing(connection):
                try:
                    connection.request("POST", path, body, dict(headers))
                    if not listen:
                        return {}
                    answer = connection.getresponse()
                    text = answer.read()
                    if answer.status < 500:
                        return dict(json.loads(text))
                except (OSError, HTTPException):
                    pass
            self.pause(0.1)
        raise TimeoutError(f"{path}: no answer in {PATIENCE:.0f} s")


def start(count: int, port: int, token_file: Path, root: Path) -> list[subprocess.Popen[str]]:
    """Start so many clients, with seeds 1, 2, ...; each writes how many jobs it has had."""
    argv = [sys.executable, "-m", "tests.whole.contending", str(port), str(token_file)]
    return [
        subprocess.Popen([*argv, str(seed + 1)], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for seed in range(count)
    ]


def ended(clients: Sequence[subprocess.Popen[str]]) -> int:
    """Answer how many attempts these clients, which have ended, have had all together."""
    had = 0
    for client in clients:
        said, wrong = client.communicate(timeout=PATIENCE)
        assert client.returncode == 0, wrong
        had += int(said)
    return had


if __name__ == "__main__":
    alone = Client(int(sys.argv[1]), Path(sys.argv[2]).read_text().strip(), int(sys.argv[3]))
    alone.run()
    sys.stdout.write(f"{alone.jobs}\n")
