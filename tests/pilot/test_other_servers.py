"""Whole pilots, as processes, against servers that are not ours: of the older dialect, or with programs to fetch."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.contract import routes
from pilot.contract.codes import ErrorCode
from pilot.contract.exit_codes import ExitCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import to_panda
from tests.pilot.dispatcher import QUEUE, serving

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parents[2]
LOG = FileSpec("job.log.tgz", Role.LOG, dataset="ds")
OUT = FileSpec("out.txt", Role.OUTPUT, dataset="ds")
#: PanDA's older servers know these and nothing of /api/v1.
OLD = (routes.GET_JOB, routes.UPDATE_JOB)


@pytest.fixture
def dispatcher(tmp_path):
    (tmp_path / "storage").mkdir()
    with serving(tmp_path / "storage") as found:
        yield found


def run(dispatcher, folder, *options):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
    done = subprocess.run(
        [sys.executable, "-m", "pilot", "-q", QUEUE, "--url", dispatcher.url, "-v", "1", *options],
        env={**plain, "PYTHONPATH": str(ROOT), "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


def old_server(dispatcher, *jobs):
    """Make it one of PanDA's older servers; answer the list of reports that it gets."""
    given, reports, usual = [to_panda(job) for job in jobs], [], dispatcher.answer

    def answer(path, body, headers):
        if path not in OLD:
            return (404, b"Not Found") if path.startswith("/api/") else usual(path, body, headers)
        said = json.loads(gzip.decompress(body))
        if path == routes.UPDATE_JOB:
            reports.append(said)
            return 200, b'{"StatusCode": 0, "command": "NULL"}'
        found = {"StatusCode": 0, **given.pop(0)} if given else {"StatusCode": 20, "errorDialog": "No jobs in PanDA"}
        return 200, json.dumps(found).encode()

    dispatcher.answer = answer
    return reports


def test_a_pilot_serves_one_of_pandas_older_servers_without_being_told(dispatcher, tmp_path):
    reports = old_server(dispatcher, JobSpec(id=7, attempt=1, transformation="true", log=LOG))
    status, said = run(dispatcher, tmp_path)
    assert status == 0, said
    assert reports[-1]["state"] == "finished"
    assert json.loads(reports[-1]["xml"])["job.log.tgz"]["endpoint"] == "STORE"


def test_a_final_report_in_the_journal_is_taken_by_an_older_server(dispatcher, tmp_path):
    """The pilot that wrote it spoke the newer dialect; the server was replaced since."""
    dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="true", log=LOG)]
    dispatcher.misbehave = lambda path, count: (503, b"") if path == routes.UPDATE_JOB_V1 else None
    hurried = tmp_path / "hurried.yaml"
    hurried.write_text("server: {report_for: 0.1, report_wait: 0.05}\n")
    assert run(dispatcher, tmp_path, "--config", "hurried.yaml")[0] == ExitCode.COMMUNICATION
    reports = old_server(dispatcher)
    run(dispatcher, tmp_path)
    assert [(report["jobId"], report["attemptNr"], report["state"]) for report in reports] == [(7, 1, "finished")]


def with_programs(dispatcher):
    usual = dispatcher.answer

    def answer(path, body, headers):
        if path.startswith("/trf/"):
            return 200, b"#!/bin/sh\necho $1 > out.txt\n"
        return usual(path, body, headers)

    dispatcher.answer = answer


def test_a_transformation_comes_from_the_servers_own_folder_without_any_setting(dispatcher, tmp_path):
    with_programs(dispatcher)
    address = f"{dispatcher.url}/trf/user/run.sh"
    dispatcher.jobs = [JobSpec(7, 1, address, ("hello",), outputs=(OUT,), log=LOG)]
    status, said = run(dispatcher, tmp_path)
    assert status == 0, said
    assert (tmp_path / "storage" / "ds" / "out.txt").read_text() == "hello\n"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"transformation": "http://127.0.0.1:1/other/run.sh"}, ErrorCode.TRF_DOWNLOAD_FAILURE),
        ({"memory": 2**60}, ErrorCode.NODE_TOO_SMALL),
        ({"container": "/nowhere.sif"}, ErrorCode.QUEUE_WITHOUT_CONTAINERS),
    ],
)
def test_a_job_that_is_refused_runs_no_payload_and_tells_its_code(dispatcher, tmp_path, fields, code):
    """Defect 24: the peer runs the payload of a job that it has refused."""
    script = f"touch {tmp_path}/was-run"
    dispatcher.jobs = [
        JobSpec(**{"id": 7, "attempt": 1, "transformation": "sh", "arguments": ("-c", script), **fields})
    ]
    status, said = run(dispatcher, tmp_path)
    (final,) = dispatcher.finals()
    assert (status, final["pilot_error_code"]) == (ExitCode.JOB_FAILED, code), said
    assert not (tmp_path / "was-run").exists()


def test_the_example_of_a_job_file_in_the_documentation_runs(tmp_path):
    page = (ROOT / "doc" / "howto" / "run-without-a-server.md").read_text()
    (tmp_path / "jobs.json").write_text(page.split("```json\n")[1].split("```")[0])
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "events.txt").write_text("1\n2\n")
    with serving(tmp_path / "unused") as nobody:
        status, said = run(nobody, tmp_path, "--job-file", "jobs.json")
        assert (status, nobody.counts) == (0, {}), said
    assert (tmp_path / "storage" / "count.txt").read_text().strip() == "2"
