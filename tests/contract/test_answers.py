from __future__ import annotations

import json

import pytest

from pilot.contract.answers import Refused, read_jobs, read_update, write_jobs, write_refusal, write_update
from pilot.contract.codec import ContractError, Dialect
from pilot.contract.job import JobSpec
from pilot.contract.messages import NO_JOBS_TEXT, StatusCode, UpdateAnswer

JOBS = tuple(JobSpec(number, 1, "true") for number in (1, 2, 3))
BOTH = pytest.mark.parametrize("dialect", Dialect)


@BOTH
@pytest.mark.parametrize("count", range(4))
def test_jobs_that_are_handed_out_arrive(dialect, count):
    assert read_jobs(write_jobs(JOBS[:count], dialect, asked=3), dialect) == JOBS[:count]


def test_a_single_job_lies_flat_for_a_stock_pilot():
    answer = write_jobs(JOBS[:1], Dialect.LEGACY)
    assert (answer["StatusCode"], answer["PandaID"]) == (0, 1)
    assert "jobs" not in answer
    assert read_jobs(answer, Dialect.LEGACY) == JOBS[:1]


def test_who_asks_for_several_gets_a_list_even_of_one():
    assert [job["PandaID"] for job in write_jobs(JOBS[:1], Dialect.LEGACY, asked=2)["jobs"]] == [1]


def test_no_job_is_said_in_the_words_that_stock_pilots_know():
    assert write_jobs([], Dialect.LEGACY) == {"StatusCode": 20, "errorDialog": NO_JOBS_TEXT}
    assert write_jobs([], Dialect.V1) == {"success": False, "message": NO_JOBS_TEXT, "data": None}


def test_a_list_of_jobs_may_come_as_text():
    jobs = json.dumps(write_jobs(JOBS, Dialect.LEGACY, asked=3)["jobs"])
    assert read_jobs({"StatusCode": "0", "jobs": jobs}, Dialect.LEGACY) == JOBS


@BOTH
def test_a_refusal_arrives_with_the_servers_words(dialect):
    answer = write_refusal("queue Q is banned", dialect, status=StatusCode.PERMISSION_DENIED)
    for reader in (read_jobs, read_update):
        with pytest.raises(Refused, match="queue Q is banned") as caught:
            reader(answer, dialect)
        expected = StatusCode.PERMISSION_DENIED if dialect is Dialect.LEGACY else StatusCode.FAILED
        assert caught.value.status == expected


def test_a_refusal_without_words_is_still_one():
    with pytest.raises(Refused, match=r"the server gave no reason \(status 30\)"):
        read_update({"StatusCode": 30, "errorDialog": None}, Dialect.LEGACY)


@BOTH
@pytest.mark.parametrize("command", ["NULL", "tobekilled", "ls -l"])
def test_a_command_arrives(dialect, command):
    assert read_update(write_update(UpdateAnswer(command), dialect), dialect) == UpdateAnswer(command)


@BOTH
@pytest.mark.parametrize("answer", [None, [], "Succeeded", {}, {"success": True}, {"StatusCode": "x"}, {"jobs": []}])
def test_what_no_server_of_this_kind_says_is_refused(dialect, answer):
    for reader in (read_jobs, read_update):
        with pytest.raises(ContractError):
            reader(answer, dialect)


def test_jobs_that_are_no_list_are_refused():
    with pytest.raises(ContractError, match="^jobs: .* is not a list"):
        read_jobs({"StatusCode": 0, "jobs": {"PandaID": 1}}, Dialect.LEGACY)
