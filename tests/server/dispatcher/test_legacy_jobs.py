"""Jobs in the legacy dialect: Harvester's reports in bulk, and what older clients submit, ask and kill."""

from __future__ import annotations

import json
import pickle
from urllib.parse import urlencode

import pytest

from server.dispatcher.columns import JOB_COLUMNS
from server.taskbuffer import queries
from tests.server import jobs
from tests.server.dispatcher.conftest import GET_JOB, UPDATE_JOB
from tests.server.dispatcher.test_jobspec import state

STATUS, BULK = "/server/panda/getStatus", "/server/panda/updateJobsInBulk"
SUBMIT, KILL = "/server/panda/submitJobs", "/server/panda/killJobs"
FORM = "application/x-www-form-urlencoded"
DESCRIBE = "/server/panda/getFullJobStatus"


def form(peer, path, fields, **headers):
    return peer.post(path, urlencode(fields).encode(), FORM, **headers)


def test_states_are_told_as_a_form_to_whoever_asks(queue, pilot):
    one, two = jobs.submit(2)
    pilot.form(GET_JOB, {"siteName": "LOCAL"})
    for headers in ({}, {"Accept": "application/json"}):
        answer = form(pilot, STATUS, {"ids": f"{one} 999 {two}"}, **headers)
        assert answer.headers["Content-Type"] == FORM
        assert answer.content == b"StatusCode=0&status=sent+notfound+activated&attemptNr=1+0+1"


@pytest.mark.parametrize("as_text", [True, False])
def test_harvester_reports_on_several_jobs_and_reads_json_within_json(queue, pilot, as_text):
    one, two = jobs.submit(2)
    pilot.form(GET_JOB, {"siteName": "LOCAL", "nJobs": 2})
    reports = [
        {"jobId": one, "state": "running", "attemptNr": 1, "startTime": "2026-11-21 12:00:00"},
        {"jobId": two, "state": "running", "attemptNr": 2},
        {"jobId": two, "state": "asleep"},
    ]
    fields = {"jobList": json.dumps(reports) if as_text else reports, "harvester_id": "H1"}
    body = json.dumps(fields).encode()
    done, said = pilot.post(BULK, body, "application/json").json()
    answers = [json.loads(one)["content"] for one in said]
    assert done is True
    assert answers[0] == {"StatusCode": 0, "command": "NULL"}
    assert answers[1] == {"StatusCode": 0, "command": "tobekilled"}
    assert answers[2]["StatusCode"] == 30
    assert "state: 'asleep'" in answers[2]["errorDialog"]
    assert jobs.state_of(one) == "running"


def test_a_pilot_switches_its_jobs_debug_mode_on_and_reads_that_it_has(queue, pilot):
    (number,) = jobs.submit()
    pilot.form(GET_JOB, {"siteName": "LOCAL"})
    answer = form(pilot, "/server/panda/setDebugMode", {"pandaID": number, "modeOn": "True"})
    assert answer.content == b"Succeeded"
    assert pilot.form(UPDATE_JOB, {"jobId": number, "state": "running", "attemptNr": 1})["command"] == "debug"


def test_an_older_client_submits_asks_and_kills(queue, manager):
    written = json.dumps([state(jobName="mc-1"), state(jobName="mc-2")])
    answer = pickle.loads(form(manager, SUBMIT, {"jobs": written}).content)
    assert [(zero, name) for _, zero, name in answer] == [(0, "mc-1"), (0, "mc-2")]
    one, two = (number for number, *_ in answer)
    ids = json.dumps([one, 999])
    known, unknown = form(manager, "/server/panda/getJobStatus", {"ids": ids, "no_pickle": "True"}).json()
    told = dict(zip(JOB_COLUMNS, known, strict=False))
    assert (told["PandaID"], told["jobStatus"], told["jobName"], told["grid"]) == (one, "activated", "mc-1", "NULL")
    assert set(told["creationTime"]) == {"_datetime_object"}
    assert unknown is None
    said = form(manager, KILL, {"ids": json.dumps([one, two, 999])}).content
    assert pickle.loads(said) == [True, True, False]
    assert {jobs.state_of(number) for number in (one, two)} == {"cancelled"}


def test_who_reads_json_is_answered_in_json(queue, manager):
    headers = {"Accept": "application/json"}
    ((number, *_),) = form(manager, SUBMIT, {"jobs": json.dumps([state()])}, **headers).json()
    (told,) = form(manager, DESCRIBE, {"ids": str(number)}, **headers).json()
    assert told[0] == number
    assert form(manager, KILL, {"ids": f"[{number}]", "code": "9"}, **headers).json() == [True]


@pytest.mark.parametrize("ids", [pickle.dumps([1, 2], protocol=0).decode(), "(lp0\nI1\na."])
def test_a_pickle_is_refused_unread(queue, manager, ids):
    answer = form(manager, KILL, {"ids": ids}, Accept="application/json").json()
    assert answer["StatusCode"] == 30
    assert answer["errorDialog"].startswith("ids: a pickle; only JSON is read here")


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        (KILL, {}, "ids: missing"),
        (KILL, {"ids": "[1, "}, "ids: '[1, ' is not a JSON list"),
        (KILL, {"ids": '["x"]'}, "ids: 'x' is not a whole number"),
        (KILL, {"ids": "[1]", "code": "77"}, "no kill code"),
        (KILL, {"ids": json.dumps([1] * 5001)}, "ids: 5001 jobs; at most 5000"),
        (SUBMIT, {"jobs": "(lp0\n."}, "jobs: '(lp0"),
        (SUBMIT, {"jobs": "[]"}, "jobs: 0 jobs"),
        (SUBMIT, {"jobs": "[[1, 2]]"}, "jobs[0]: the last of its columns is no list of files"),
    ],
)
def test_what_an_older_client_gets_wrong_is_named(queue, manager, path, fields, words):
    answer = form(manager, path, fields, Accept="application/json").json()
    assert answer["StatusCode"] == 30
    assert words in answer["errorDialog"]


def test_jobs_are_described_to_who_reads_json_alone(queue, manager):
    answer = form(manager, DESCRIBE, {"ids": "[1]"})
    assert b"no_pickle" in answer.content


def test_a_pilot_submits_and_kills_nothing(queue, pilot):
    (number,) = jobs.submit()
    for path, fields in ((SUBMIT, {"jobs": "[]"}), (KILL, {"ids": f"[{number}]"})):
        assert pilot.form(path, fields)["StatusCode"] == 60
    assert queries.states_of([number])[number][0] == "activated"
