from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.messages import StoredFile
from pilot.errors import ConfigError, JobFailed
from pilot.job import Job, PayloadCommand, PayloadOutcome, Problem
from pilot.runtime.bundle import MASK, REPLAY, note_command, note_inputs, read, write

SPEC = JobSpec(id=7, attempt=2, transformation="coral.sh", release="4.0", inputs=(FileSpec("in.raw", Role.INPUT),))
PROBLEM = Problem(ErrorCode.PAYLOAD_FAILED, "no beam", 12)
INPUT = StoredFile("in.raw", 3, "adler32:00000001", url="root://store/in.raw")


def job(folder, **more):
    outcome = PayloadOutcome(3, None, folder, folder / "out", folder / "err")
    return Job(SPEC, problem=PROBLEM, outcome=outcome, **more)


def command(folder, **environment):
    return PayloadCommand(("/bin/sh", "coral.sh"), {"PATH": "/bin", **environment}, folder)


def test_what_is_written_is_read(tmp_path):
    note_inputs(tmp_path, [INPUT])
    note_command(tmp_path, command(tmp_path), {"memory": 5})
    write(tmp_path, job(tmp_path), "Q", "compass", {"host": "node"})
    found = read(tmp_path / REPLAY)
    assert (found.spec, found.problem, found.status, found.signal) == (SPEC, PROBLEM, 3, None)
    assert (found.argv, found.environment) == (("/bin/sh", "coral.sh"), {"PATH": "/bin"})
    assert (found.workdir, found.limits, found.user) == (str(tmp_path), {"memory": 5}, "compass")
    assert (found.inputs, found.node, found.software["release"]) == ((INPUT,), {"host": "node"}, "4.0")


def test_values_that_look_like_secrets_are_masked_by_their_names(tmp_path):
    secret = {"SITE_TOKEN": "s1", "X509_USER_PROXY": "s2", "DB_PASSWORD": "s3", "AWS_SECRET_ACCESS_KEY": "s4"}
    note_command(tmp_path, command(tmp_path, **secret, MONKEY="no secret"), {})
    write(tmp_path, job(tmp_path), "Q", "generic", {})
    found = read(tmp_path / REPLAY)
    assert set(found.masked) == set(secret)
    assert {found.environment[name] for name in secret} == {MASK}
    assert found.environment["MONKEY"] == "no secret"
    assert "s1" not in (tmp_path / REPLAY).read_text()


def test_a_job_that_failed_before_its_payload_began_has_a_bundle_too(tmp_path):
    write(tmp_path, Job(SPEC, problem=PROBLEM), "Q", "generic", {})
    found = read(tmp_path / REPLAY)
    assert (found.argv, found.inputs, found.status) == ((), (), None)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}'])
def test_what_is_no_bundle_is_named(tmp_path, text):
    (tmp_path / REPLAY).write_text(text)
    with pytest.raises(ConfigError, match=r"replay\.json: cannot be read as a failure bundle"):
        read(tmp_path / REPLAY)


def test_a_bundle_of_another_format_says_which_pilot_reads_it(tmp_path):
    write(tmp_path, job(tmp_path), "Q", "generic", {})
    said = json.loads((tmp_path / REPLAY).read_text())
    (tmp_path / REPLAY).write_text(json.dumps({**said, "format": 9}))
    with pytest.raises(ConfigError, match="format 9, this pilot reads 1"):
        read(tmp_path / REPLAY)


def test_a_note_that_cannot_be_written_fails_the_job_with_a_code():
    with pytest.raises(JobFailed, match="No such file") as failed:
        note_inputs(Path("/no/such/folder"), [])
    assert failed.value.code is ErrorCode.FILE_HANDLING


def test_what_a_payload_has_put_in_the_place_of_a_note_is_neither_followed_nor_waited_for(tmp_path):
    folder, treasure = tmp_path / "job", tmp_path / "treasure"
    folder.mkdir()
    treasure.write_text('["mine"]')
    os.mkfifo(folder / ".compass-command.json")
    (folder / ".compass-inputs.json").symlink_to(treasure)
    (folder / REPLAY).symlink_to(treasure)
    write(folder, job(folder), "Q", "compass", {})
    found = read(folder / REPLAY)
    assert (found.argv, found.inputs) == ((), ())
    assert treasure.read_text() == '["mine"]'
