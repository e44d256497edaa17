from __future__ import annotations

import json

import pytest

from pilot.api.replies import WithSecrets, jobs_v1, update_legacy, update_v1
from pilot.contract.job import JobSpec
from pilot.contract.job_wire import to_panda
from pilot.contract.messages import UpdateAnswer

SECRETS = {"logstash_login": "pilot", "logstash_password": "sesame"}


def v1(**data):
    return 200, json.dumps({"success": True, "message": "", "data": {"StatusCode": 0, **data}}).encode()


def legacy(**data):
    return 200, json.dumps({"StatusCode": 0, **data}).encode()


@pytest.mark.parametrize(("read", "said"), [(update_v1, v1), (update_legacy, legacy)])
def test_what_is_given_for_the_pilots_own_use_comes_with_an_answer_and_is_not_shown(read, said):
    found = read(said(command="debug", pilotSecrets={**SECRETS, "number": 7}))
    assert isinstance(found, WithSecrets)
    assert (found.command, found.secrets) == ("debug", SECRETS)
    assert "sesame" not in repr(found)


@pytest.mark.parametrize(("read", "said"), [(update_v1, v1), (update_legacy, legacy)])
def test_pandas_server_gives_it_as_text(read, said):
    assert read(said(command="debug", pilotSecrets=json.dumps(SECRETS))).secrets == SECRETS


@pytest.mark.parametrize("given", [None, {}, [], "sesame", "{}", "[7]", "[" * 100_000, {"number": 7}])
def test_where_nothing_is_given_an_answer_is_a_plain_one(given):
    assert update_v1(v1(command="debug", pilotSecrets=given)) == UpdateAnswer("debug")


def test_what_is_given_with_a_job_stands_beside_it_and_not_in_it():
    spec = JobSpec(id=7, attempt=2, transformation="x")
    found = jobs_v1(v1(jobs=[{**to_panda(spec), "pilotSecrets": SECRETS}, to_panda(JobSpec(8, 1, "x"))]))
    assert found.secrets == {(7, 2): SECRETS}
    assert "sesame" not in repr(found.jobs)
