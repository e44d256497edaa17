"""The whole pilot with what a job's owner has for the payload alone."""

from __future__ import annotations

import json
import tarfile

import pytest

from pilot.contract.job_wire import to_panda
from tests.pilot.test_end_to_end import Stage, log_member, shell
from tests.pilot.test_end_to_end import stage as stage  # noqa: PLC0414  # a fixture


@pytest.mark.parametrize("whole", [True, False])
def test_a_payload_finds_its_owners_secrets_and_nobody_else_does(stage: Stage, whole):
    secrets = {"DATABASE": "hush-hush-7"}
    script = "stat -c %a panda_secrets.json; cat panda_secrets.json; cp panda_secrets.json out.txt"
    one = to_panda(shell(script, outputs=["out.txt"]))
    stage.dispatcher.raw_jobs = [{**one, "secrets": json.dumps(secrets) if whole else secrets}]
    assert stage.run(job__keep_workdir="false")[0] == 0
    assert json.loads((stage.storage / "out.txt").read_text()) == secrets
    assert log_member(stage, "payload.stdout").startswith("600\n********")
    with tarfile.open(stage.storage / "job.log.tgz") as packed:
        assert not any(name.endswith("panda_secrets.json") for name in packed.getnames())
        for member in packed.getmembers():
            if member.isfile():
                assert b"hush-hush-7" not in packed.extractfile(member).read(), member.name
    assert "hush-hush-7" not in json.dumps(stage.dispatcher.updates)


def test_half_a_character_in_an_owners_secrets_fails_no_job(stage: Stage):
    one = to_panda(shell("cp panda_secrets.json out.txt", outputs=["out.txt"]))
    stage.dispatcher.raw_jobs = [{**one, "secrets": "plain \ud800 words"}]
    assert stage.run()[0] == 0
    assert (stage.storage / "out.txt").read_text() == "plain ? words"
    assert stage.dispatcher.finals()[0]["job_status"] == "finished"
