"""The whole pilot as a process, with jobs whose files come from a real XRootD and go there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from tests.pilot.dispatcher import QUEUE, queue_data, serving
from tests.services.xrootd import Part, flip_a_bit

pytestmark = pytest.mark.one_python

ACTIVITIES = ("read_lan", "write_lan", "pl", "default")
CONTENT = b"hello"


def adler(content: bytes) -> str:
    return f"adler32:{zlib.adler32(content):08x}"


class Stage:
    """A dispatcher whose queue has one storage, a folder of a real server."""

    def __init__(self, folder: Path, dispatcher, part: Part) -> None:
        self.base, self.dispatcher, self.part = folder / "base", dispatcher, part
        tools = {activity: ["xrdcp"] for activity in ACTIVITIES}
        dispatcher.queue = queue_data(copytools={"xrdcp": {"setup": ""}}, acopytools=tools)
        where = {"endpoint": part.server.root.removesuffix("/"), "path": f"/{part.name}", "id": 1}
        dispatcher.storages["STORE"]["arprotocols"] = {activity: [where] for activity in ("r", "w", "pr", "pw", "pl")}

    def run(self, job: JobSpec) -> tuple[int, str]:
        """Have a pilot run a job; answer its status and its last words."""
        self.dispatcher.jobs.append(job)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_PILOT")}
        environment["COMPASS_PILOT__MONITOR__FREE_DISK_AT_START"] = "0"
        environment["COMPASS_PILOT__COPY__ATTEMPTS"] = "1"
        argv = [sys.executable, "-m", "pilot", "-q", QUEUE, "--url", self.dispatcher.url, "-a", str(self.base)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stderr

    def final(self) -> dict:
        (update,) = self.dispatcher.finals()
        return update


@pytest.fixture
def stage(tmp_path, xrootd, xrootd_client):
    (tmp_path / "base").mkdir()
    with serving(tmp_path / "storage") as dispatcher:
        yield Stage(tmp_path, dispatcher, Part(xrootd))


def shell(script: str, *inputs: str, **facts) -> JobSpec:
    return JobSpec(
        id=7,
        attempt=1,
        transformation="/bin/sh",
        arguments=("-c", script),
        inputs=tuple(FileSpec(name, Role.INPUT, dataset="ds", **facts) for name in inputs),
        outputs=(FileSpec("out.txt", Role.OUTPUT, dataset="ds"),),
        log=FileSpec("job.log.tgz", Role.LOG, dataset="ds"),
    )


def test_a_jobs_files_come_and_go_by_root(stage):
    stage.part.put("ds/in.txt", CONTENT)
    job = shell("cat in.txt in.txt > out.txt", "in.txt", size=len(CONTENT), checksum=adler(CONTENT))
    status, said = stage.run(job)
    assert (status, said) == (0, "pilot: 1 job finished (exit status 0)\n")
    assert stage.part.names() == ["ds/in.txt", "ds/job.log.tgz", "ds/out.txt"]
    assert (stage.part.folder / "ds/out.txt").read_bytes() == CONTENT * 2
    report = json.loads(stage.final()["job_output_report"])
    assert set(report) == {"out.txt", "job.log.tgz"}
    assert report["out.txt"]["adler32"] == adler(CONTENT * 2).removeprefix("adler32:")
    assert list(stage.base.iterdir()) == []


def test_a_job_whose_input_has_gone_bad_on_the_servers_disk_fails_by_that_and_has_its_log_stored(stage):
    flip_a_bit(stage.part.put("ds/in.txt", CONTENT))
    job = shell("cat in.txt > out.txt", "in.txt", size=len(CONTENT), checksum=adler(CONTENT))
    status, said = stage.run(job)
    assert status != 0
    assert "GET_ADLER_MISMATCH" in said
    final = stage.final()
    assert (final["job_status"], final["pilot_error_code"]) == ("failed", ErrorCode.GET_ADLER_MISMATCH)
    assert "in.txt" in final["pilot_error_diag"]
    assert stage.part.names() == ["ds/in.txt", "ds/job.log.tgz"]


def test_a_job_whose_storage_dies_meanwhile_tells_that_its_outputs_are_nowhere(stage):
    try:
        status, said = stage.run(shell(f"kill -KILL {stage.part.server.pid}; echo x > out.txt"))
    finally:
        stage.part.server.restart()
    assert status != 0
    assert "UNREACHABLE_NETWORK" in said
    assert stage.final()["pilot_error_code"] == ErrorCode.UNREACHABLE_NETWORK
    assert stage.part.names() == []
