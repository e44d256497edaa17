"""Pilots that are many, each of which has one job after the other, and writes down what it has heard.

``python -m tests.whole.contending PORT TOKEN-FILE SEED FIRST COUNT CALM`` is so many of them, from number ``FIRST`` on.
They go on until their input ends, and then write their notes. What a pilot does with an attempt is a matter of the seed
and of that attempt alone. Where nobody looks for lost jobs they are ``CALM`` (1): each gives back what it was given.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from pilot.contract import routes
from pilot.contract.codes import ErrorCode
from tests.whole.bad_line import CALL, CALM

#: Seconds that a pilot waits for a server that is away.
PATIENCE = 150.0
#: Seconds between two questions of a pilot that has heard that there is no work; of one of a large crowd.
IDLE, IDLE_IN_CROWD = 0.5, 2.0
QUEUE = "LOCAL"
#: What a pilot does with an attempt, and how often.
FATES = {"good": 12, "lost output": 2, "wrong program": 1, "gone": 1, "late": 1}
CALM_FATES = {"good": 4, "lost output": 1}
GIVEN, TOLD = "given", "told"


class Note(NamedTuple):
    """What one pilot has heard: an attempt that it was given, or what a report on it was answered."""

    what: str
    job: int
    attempt: int
    about: str  # the request, or the reported state
    answer: str = ""


def fate_of(seed: int, job: int, attempt: int, *, calm: bool) -> str:
    fates = CALM_FATES if calm else FATES
    (fate,) = random.Random(f"{seed} {job}.{attempt}").choices(list(fates), list(fates.values()))
    return fate


class Pilot(threading.Thread):
    """One pilot, until all is over."""

    def __init__(self, port: int, token: str, seed: int, number: int, over: threading.Event, *, calm: bool) -> None:
        super().__init__(name=f"pilot {number}", daemon=True)
        self.port, self.seed, self.number, self.over, self.calm = port, seed, number, over, calm
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.notes: list[Note] = []
        self.calls = self.tries = 0
        self.ended = False

    def run(self) -> None:
        while not self.over.is_set():
            self.work()
        self.ended = True

    def work(self) -> None:
        """Ask for work under a new name, and do what is given."""
        request = f"{self.seed:08x}{self.number:08x}{self.calls:016x}"
        given = self.call(routes.ACQUIRE_JOBS, {"site_name": QUEUE}, {routes.REQUEST_ID: request})
        if not given["success"]:
            self.over.wait(IDLE if self.calm else IDLE_IN_CROWD)
        for job in given["data"]["jobs"] if given["success"] else ():
            self.notes.append(Note(GIVEN, job["PandaID"], job["attemptNr"], request))
            self.live(job)

    def live(self, job: Mapping[str, Any]) -> None:
        """Run a job as it is fated; one that is told to end ends it."""
        number, attempt = job["PandaID"], job["attemptNr"]
        fate = fate_of(self.seed, number, attempt, calm=self.calm)
        if fate == "gone":
            return
        for state in ("starting", "running", "running"):
            if self.report(number, attempt, state) == "tobekilled":
                self.report(number, attempt, "failed", pilot_error_code=int(ErrorCode.KILLED_BY_SERVER))
                return
        if fate == "late":  # perhaps so late that another one has the job
            self.over.wait(random.Random(f"{number}.{attempt}").uniform(0.0, 20.0))
        if fate == "lost output":
            self.report(number, attempt, "failed", pilot_error_code=int(ErrorCode.STAGE_OUT_FAILED))
        elif fate == "wrong program":
            self.report(number, attempt, "failed", pilot_error_code=int(ErrorCode.OUTPUT_MISSING))
        else:
            names = job["outFiles"].split(",")
            files = {name: {"fsize": 10 + attempt, "adler32": "0000000a", "guid": f"{number}-{name}"} for name in names}
            self.report(number, attempt, "finished", job_output_report=json.dumps(files))

    def report(self, number: int, attempt: int, state: str, **more: Any) -> str:
        """Report on a job; answer the command."""
        fields = {"job_id": number, "attempt_nr": attempt, "job_status": state, **more}
        command = str(self.call(routes.UPDATE_JOB_V1, fields)["data"].get("command", ""))
        self.notes.append(Note(TOLD, number, attempt, state, command))
        return command

    def call(self, path: str, fields: Mapping[str, Any], more: Mapping[str, str] = {}) -> dict[str, Any]:
        """Make one call, until it is answered."""
        self.calls += 1
        body, mark = json.dumps(fields).encode(), CALM if self.calm and path == routes.ACQUIRE_JOBS else ""
        for attempt in range(int(PATIENCE / 0.1)):
            self.tries += 1
            headers = {**self.headers, **more, CALL: f"{mark}{self.number}.{self.calls}.{attempt}"}
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
                try:
                    connection.request("POST", path, body, headers)
                    answer = connection.getresponse()
                    text = answer.read()
                    if answer.status < 500:
                        return dict(json.loads(text))
                except (OSError, HTTPException):
                    pass
            threading.Event().wait(0.1)
        raise TimeoutError(f"{path}: no answer in {PATIENCE:.0f} s")


class Crowd:
    """Some processes with so many pilots each."""

    def __init__(
        self, port: int, token_file: Path, root: Path, *, seed: int, processes: int, each: int, calm: bool
    ) -> None:
        argv = [sys.executable, "-m", "tests.whole.contending", str(port), str(token_file), str(seed)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.started = [
            subprocess.Popen([*argv, str(number * each), str(each), str(int(calm))], cwd=root, text=True, **pipes)
            for number in range(processes)
        ]
        self.calls = self.tries = 0

    def end(self) -> list[Note]:
        """Let all of them end what they do, and answer what they have heard."""
        for each in self.started:
            assert each.stdin is not None
            each.stdin.close()
            each.stdin = None
        return [note for each in self.started for note in self._notes(each)]

    def _notes(self, each: subprocess.Popen[str]) -> Iterator[Note]:
        out, wrong = each.communicate(timeout=PATIENCE * 2)
        assert each.returncode == 0, wrong
        said = json.loads(out)
        self.calls += said["calls"]
        self.tries += said["tries"]
        return (Note(*note) for note in said["notes"])

    def close(self) -> None:
        for each in self.started:
            if each.poll() is None:
                each.kill()
            each.communicate()


def main(port: int, token_file: str, seed: int, first: int, count: int, calm: int) -> int:
    over, token = threading.Event(), Path(token_file).read_text().strip()
    pilots = [Pilot(port, token, seed, first + number, over, calm=bool(calm)) for number in range(count)]
    for pilot in pilots:
        pilot.start()
    sys.stdin.read()
    over.set()
    for pilot in pilots:
        pilot.join()
    notes: Sequence[Note] = [note for pilot in pilots for note in pilot.notes]
    sums = {"calls": sum(pilot.calls for pilot in pilots), "tries": sum(pilot.tries for pilot in pilots)}
    sys.stdout.write(json.dumps({**sums, "notes": notes}))
    return 0 if all(pilot.ended for pilot in pilots) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])))
