"""A stage for whole pilots that gather, and a supercomputer of a third party's plugin."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.contract.job import FileSpec, JobSpec, Role
from tests.pilot.dispatcher import QUEUE, serving

ROOT = Path(__file__).parents[3]

#: A batch system in which batch jobs are sessions of processes, and which does what FATE says.
PLUGIN = """
import os
import signal
import subprocess
from pathlib import Path

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.hookspecs import hookimpl
from pilot.hpc.values import BatchState, Resource, Status

REGISTRY, FATE = Path(os.environ["REGISTRY"]), os.environ.get("FATE", "")


class Sessions:
    def submit(self, launch):
        with (REGISTRY / "submitted").open("a") as told:
            told.write(launch.name + "\\n")
        if FATE == "dies before":
            os.kill(os.getpid(), signal.SIGKILL)
        if FATE == "rejected":
            raise JobFailed(ErrorCode.ALLOCATION_REJECTED, "no such project")
        if FATE and FATE != "dies after" and FATE != "silent":
            return "4711"
        process = subprocess.Popen(
            launch.argv, cwd=launch.folder, env={"PATH": os.environ["PATH"]}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        (REGISTRY / launch.name).write_text(str(process.pid))
        if FATE == "dies after":
            os.kill(os.getpid(), signal.SIGKILL)
        if FATE == "silent":
            raise JobFailed(ErrorCode.SERVICE_NOT_AVAILABLE, "no answer")
        return str(process.pid)

    def find(self, name):
        path = REGISTRY / name
        return path.read_text() if path.exists() else None

    def status(self, number):
        if FATE in {state.value for state in BatchState}:
            return Status(BatchState(FATE), "as it was told")
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            state = "Z"
        return Status(BatchState.ENDED if state == "Z" else BatchState.RUNNING)

    def cancel(self, number):
        with (REGISTRY / "cancelled").open("a") as told:
            told.write(number + "\\n")
        if number != "4711":
            try:
                os.killpg(int(number), signal.SIGTERM)
            except ProcessLookupError:
                pass


@hookimpl
def hpc_resource(name, shape):
    if name != "sessions":
        return None
    from pilot.hpc import local
    argv = () if shape is None else (*local.command(), "--ranks", str(shape.ranks))
    return Resource(argv, Sessions())
"""


def job(number, script="exit 0", **more):
    log = FileSpec(f"{number}.log.tgz", Role.LOG, dataset="ds", endpoint="STORE")
    given = {"transformation": "/bin/sh", "arguments": ("-c", script), "log": log, **more}
    return JobSpec(id=number, attempt=1, **given)


class Stage:
    """A server, a disk, pilots on it."""

    def __init__(self, folder, dispatcher):
        self.folder, self.dispatcher, self.base = folder, dispatcher, folder / "base"
        self.started = []
        (folder / "storage" / "ds").mkdir(parents=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")},
            "PYTHONPATH": str(ROOT),
            "COMPASS_PILOT_TOKEN": "tok-secret-1",
            "COMPASS_PILOT__JOB__ASK_WAIT": "0.05",
            "COMPASS_PILOT__JOB__REQUESTS": "1",
            "COMPASS_PILOT__SERVER__REPORT_WAIT": "0.05",
            "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000",
            "COMPASS_PILOT__STOP__WITHIN": "10",
            "COMPASS_PILOT__PAYLOAD__GRACE": "1",
            "COMPASS_PILOT__HPC__QUIET": "0.3",
            "COMPASS_PILOT__HPC__LOOK": "0.2",
            "COMPASS_PILOT__HPC__LATE": "0.5",
            "COMPASS_PILOT__HPC__POLL": "0.2",
            "COMPASS_PILOT__HPC__RANKS_PER_NODE": "16",
            "COMPASS_PILOT__HPC__STOP_LOOK": "0.2",
        }

    def start(self, *options, mode="always", **settings):
        more = {f"COMPASS_PILOT__HPC__{name.upper()}": str(value) for name, value in settings.items()}
        argv = [sys.executable, "-m", "pilot", "--url", self.dispatcher.url, "-q", QUEUE, "-a", str(self.base)]
        self.base.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [*argv, "--hpc-mode", mode, *options],
            env={**self.environment, **more},
            cwd=self.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *options, **settings):
        process = self.start(*options, **settings)
        _, said = process.communicate(timeout=60)
        return process.returncode, said

    def end(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def finals(self):
        """Answer the final reports, by job."""
        return {update["job_id"]: update for update in self.dispatcher.finals()}

    def reaching(self, count=1):
        """Make a pipe for payloads to say that they run; answer what they run for it, and what waits for so many."""
        fifo = self.folder / "reached"
        os.mkfifo(fifo)
        pipe = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)

        def wait():
            heard, poll = b"", select.poll()
            poll.register(pipe, select.POLLIN)
            while heard.count(b"\n") < count:
                assert poll.poll(30_000), heard
                heard += os.read(pipe, 1000)

        return f"echo here > {fifo}", wait

    def place(self, number):
        """Answer a job's directory."""
        return next(self.base.glob(f"compass-pilot-*/*-{number}-1"))

    def with_sessions(self):
        """Have the third party's supercomputer."""
        packages = self.folder / "packages"
        (packages / "sessions-1.dist-info").mkdir(parents=True)
        (packages / "sessions.py").write_text(PLUGIN)
        (packages / "sessions-1.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: sessions\nVersion: 1\n"
        )
        (packages / "sessions-1.dist-info" / "entry_points.txt").write_text(
            "[compass_pilot.plugins]\nsessions = sessions\n"
        )
        self.registry = self.folder / "registry"
        self.registry.mkdir()
        self.environment.update(
            PYTHONPATH=f"{ROOT}{os.pathsep}{packages}",
            REGISTRY=str(self.registry),
            COMPASS_PILOT__PLUGINS__ALSO="[sessions]",
            COMPASS_PILOT__HPC__RESOURCE="sessions",
        )

    def noted(self, name):
        """Answer what the supercomputer has noted: what was submitted, or cancelled."""
        path = self.registry / name
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def stage(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        found = Stage(tmp_path, dispatcher)
        yield found
        found.end()
