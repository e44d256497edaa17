"""Signed jobs, whole way: the real server with a key, its database, and real pilots that have the public one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.exit_codes import ExitCode
from tests.server.manage.running import command
from tests.whole.test_one_job import LOG, System

pytestmark = [pytest.mark.programs("openssl"), pytest.mark.one_python]


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A server that signs; its pilots take only what is signed."""
    folder = tmp_path_factory.mktemp("signed")
    key = folder / "key.pem"
    made = command(folder / "nowhere", "signing_key", "--file", str(key))
    assert made.returncode == 0, made.stderr
    rules = {"COMPASS_PILOT__VERIFY__SIGNATURES": "always", "COMPASS_PILOT__VERIFY__KEYS": f"[{key}.pub]"}
    found = System(folder, environment=rules, told={"COMPASS_SERVER_SIGNING_KEY": str(key)})
    yield found
    found.close()


def alter(system, job, change):
    """Change a job in the database, past the server."""
    with closing(sqlite3.connect(system.home / "db.sqlite3", timeout=30)) as database, database:
        ((text,),) = database.execute("SELECT panda FROM taskbuffer_jobparameters WHERE job_id = ?", (job,)).fetchall()
        changed = json.dumps(change(json.loads(text)))
        database.execute("UPDATE taskbuffer_jobparameters SET panda = ? WHERE job_id = ?", (changed, job))
    database.close()


def shown(system, job):
    return system.call("production", "GET", f"/api/v1/job/get_description?job_ids={job}")[0]


def test_a_job_that_the_server_signed_is_run(system):
    job = system.submit("echo well", files=[LOG])
    status, said = system.run()
    assert (status, system.state(job)) == (0, "finished"), said


def test_an_altered_job_is_refused_with_its_code_and_the_server_shows_that(system, tmp_path):
    job = system.submit("true", files=[LOG])
    alter(system, job, lambda found: {**found, "jobPars": f"-c 'touch {tmp_path}/broken-in'"})
    status, said = system.run()
    assert status == ExitCode.JOB_FAILED
    assert "PAYLOAD_ALTERED (1919)" in said
    assert not (tmp_path / "broken-in").exists()
    assert system.state(job) == "failed"
    told = shown(system, job)
    assert told["pilotErrorCode"] == ErrorCode.PAYLOAD_ALTERED
    assert "compassSignature" in told["pilotErrorDiag"]


def test_a_job_whose_signature_was_removed_is_refused(system):
    job = system.submit("true", files=[LOG])
    alter(system, job, lambda found: {name: value for name, value in found.items() if name != "compassSignature"})
    _, said = system.run()
    assert "PAYLOAD_UNSIGNED (1918)" in said
    assert system.state(job) == "failed"


@pytest.mark.parametrize("dialect", ["auto", "legacy"])
def test_pilot_check_meets_the_real_server_and_takes_no_work_from_it(system, dialect):
    job = system.submit("true", files=[LOG])
    status, said = system.checked("--dialect", dialect)
    assert status == 0, said
    assert f"dialect {'v1' if dialect == 'auto' else 'legacy'}" in said
    assert "ok    identity " in said
    assert "ok    signatures           always, verified by " in said
    assert system.state(job) == "activated"
    system.run()


def test_pilot_check_tells_an_identity_that_is_not_accepted(system, tmp_path):
    (tmp_path / "token").write_text("nobody-knows-this")
    for dialect in ("v1", "legacy"):
        status, said = system.checked("--dialect", dialect, "--token-file", str(tmp_path / "token"))
        assert status == ExitCode.PROXY
        assert "FAIL  identity" in said
        assert "nobody-knows-this" not in said
