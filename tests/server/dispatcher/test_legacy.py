"""The legacy dialect, byte by byte, as stock pilots of several generations speak it."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import pytest

from pilot.contract.job_wire import from_panda
from server.dispatcher import legacy, urls
from server.pandaconfig.logic import define_queue
from server.taskbuffer import logic
from server.taskbuffer.models import Attempt, Job, JobEvent, JobFile, Live
from tests.server import jobs
from tests.server.dispatcher.conftest import GET_JOB, UPDATE_JOB

ASKS = {
    "siteName": "LOCAL",
    "computingElement": "LOCAL",
    "prodSourceLabel": "managed",
    "diskSpace": "20000",
    "workingGroup": "",
    "cpu": "2596.134",
    "mem": "24103.921875",
    "node": "vm",
    "allowOtherCountry": "False",
}


def says(job_id: int, state: str, **fields):
    return {
        "jobId": str(job_id),
        "state": state,
        "timestamp": "2026-11-21T20:38:12+00:00",
        "siteName": "LOCAL",
        "node": "vm",
        "attemptNr": "1",
        "schedulerID": "unknown",
        "pilotID": "unknown|PR|3.7.0.36",
        "startTime": "1795294242.2285411",
        "cpuConsumptionUnit": "s+Some CPU",
        **fields,
    }


def final(job_id: int, **fields):
    stored = {
        "out.root": {"guid": "", "fsize": 10, "adler32": "0f3902f3", "surl": "file://localhost/data/out.root"},
        "job.log.tgz": {"guid": "0-1", "fsize": 9229, "adler32": "ff6bb6a3", "surl": "file://localhost/data/log"},
    }
    told = {
        "xml": json.dumps(stored),
        "coreCount": "1",
        "pilotTiming": "0|0|0|0|0|0",
        "pilotLog": "",
        "endTime": "1795294256.356004",
        "pilotErrorCode": "0",
        "pilotErrorDiag": "",
        "transExitCode": "0",
        "exeErrorCode": "0",
        "exeErrorDiag": "",
    }
    return says(job_id, "finished", **{**told, **fields})


def test_a_stock_pilot_runs_a_job_from_end_to_end(queue, speak):
    (job_id,) = jobs.submit(arguments=("a b", "c"))
    given = speak(GET_JOB, ASKS)
    assert str(given["StatusCode"]) == "0"
    assert from_panda(given).arguments == ("a b", "c")
    for state in ("starting", "running"):
        answer = speak(UPDATE_JOB, says(job_id, state, xml="", metaData=""))
        assert {key: str(value) for key, value in answer.items()} == {"StatusCode": "0", "command": "NULL"}
    assert speak(UPDATE_JOB, final(job_id))["command"] == "NULL"
    assert jobs.state_of(job_id) == "finished"
    out = JobFile.objects.get(lfn="out.root")
    assert (out.size, out.checksum, out.url) == (10, "adler32:0f3902f3", "file://localhost/data/out.root")
    assert JobEvent.objects.last().by == "a-pilot"
    jobs.audit()


def test_an_empty_queue_is_status_20_with_the_words_that_pilots_look_for(queue, speak):
    answer = speak(GET_JOB, ASKS)
    assert str(answer["StatusCode"]) == "20"
    assert answer["errorDialog"] == "No jobs in PanDA"


def test_numbers_come_as_text_and_as_numbers(queue, pilot):
    (job_id,) = jobs.submit()
    pilot.packed(GET_JOB, {**ASKS, "mem": 24103.92, "diskSpace": 20000, "allowOtherCountry": False})
    assert (
        pilot.packed(UPDATE_JOB, final(job_id, jobId=job_id, attemptNr=1, startTime=1795294599.056))["StatusCode"] == 0
    )
    assert jobs.state_of(job_id) == "finished"


def test_the_status_is_a_number_in_json(queue, pilot):
    assert pilot.form(GET_JOB, ASKS)["StatusCode"] == 20


def test_several_jobs_are_listed_when_the_pilot_asks_with_a_number(queue, pilot):
    ids = jobs.submit(3)
    answer = pilot.form(GET_JOB, {**ASKS, "nJobs": "2"})
    assert [job["PandaID"] for job in answer["jobs"]] == ids[:2]
    listed = json.loads(pilot.old_form(GET_JOB, {**ASKS, "nJobs": "1"})["jobs"])
    assert [job["PandaID"] for job in listed] == ids[2:]


def test_a_lost_answer_is_given_again(queue, pilot):
    jobs.submit(2)
    first = pilot.form(GET_JOB, ASKS, X_Compass_Request_Id="request-0001")
    assert pilot.form(GET_JOB, ASKS, X_Compass_Request_Id="request-0001") == first
    assert pilot.form(GET_JOB, ASKS, X_Compass_Request_Id="request-0002") != first
    assert Attempt.objects.count() == 2


def test_requests_without_a_name_are_never_taken_for_each_other(queue, pilot):
    ids = jobs.submit(2)
    assert [pilot.form(GET_JOB, ASKS)["PandaID"] for _ in range(2)] == ids


def test_live_progress_rides_in_a_header(queue, pilot):
    (job_id,) = jobs.submit()
    pilot.form(GET_JOB, ASKS)
    pilot.form(UPDATE_JOB, says(job_id, "running"), X_Compass_Progress="250/1000")
    pilot.form(UPDATE_JOB, says(job_id, "running"), X_Compass_Progress="300/?")
    live = Live.objects.get()
    assert (live.events_done, live.events_total) == (300, 1000)


def test_a_stale_pilot_is_told_to_stop(queue, speak):
    (job_id,) = jobs.submit()
    speak(GET_JOB, ASKS)
    assert speak(UPDATE_JOB, says(job_id, "running", attemptNr="2"))["command"] == "tobekilled"
    assert speak(UPDATE_JOB, says(999999, "running"))["command"] == "tobekilled"


def test_a_kill_reaches_the_pilot(queue, speak):
    (job_id,) = jobs.submit()
    speak(GET_JOB, ASKS)
    logic.kill([job_id], by="alice")
    assert speak(UPDATE_JOB, says(job_id, "running"))["command"] == "tobekilled"


def test_a_final_report_may_come_twice(queue, speak):
    (job_id,) = jobs.submit()
    speak(GET_JOB, ASKS)
    first = speak(UPDATE_JOB, final(job_id))
    assert speak(UPDATE_JOB, final(job_id, endTime="1795294300.0", timestamp="2026-11-21T21:00:00+00:00")) == first
    assert first["command"] == "NULL"


@pytest.mark.parametrize("status", ["offline", "paused"])
def test_a_queue_that_is_not_online_gets_nothing(queue, pilot, status):
    jobs.submit()
    define_queue({"nickname": "LOCAL", "status": status, "corecount": 8})
    assert pilot.form(GET_JOB, ASKS)["StatusCode"] == 20


def test_a_queue_under_test_gets_test_jobs_only(queue, pilot):
    jobs.submit()
    (wanted,) = jobs.submit(label="prod_test")
    define_queue({"nickname": "LOCAL", "status": "test", "corecount": 8})
    assert pilot.form(GET_JOB, ASKS)["PandaID"] == wanted
    assert pilot.form(GET_JOB, ASKS)["StatusCode"] == 20


def test_a_pilot_with_too_little_memory_gets_a_smaller_job(queue, pilot):
    jobs.submit(memory=4 * 2**30, priority=100)
    (small,) = jobs.submit(memory=2**30)
    assert pilot.form(GET_JOB, {**ASKS, "mem": "2048"})["PandaID"] == small
    assert pilot.form(GET_JOB, {**ASKS, "mem": "2048"})["StatusCode"] == 20


def test_a_new_kind_of_job_is_seen_at_once(queue, pilot):
    assert pilot.form(GET_JOB, ASKS)["StatusCode"] == 20
    (job_id,) = jobs.submit(cores=7)
    assert pilot.form(GET_JOB, ASKS)["PandaID"] == job_id


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        (GET_JOB, {}, "siteName: missing"),
        (GET_JOB, {**ASKS, "siteName": "NOWHERE"}, "siteName: queue 'NOWHERE' is not known here"),
        (GET_JOB, {**ASKS, "mem": "much"}, "mem: 'much' is not a number"),
        (GET_JOB, {**ASKS, "nJobs": "0"}, "nJobs: 0 is less than 1"),
        (UPDATE_JOB, {"state": "running"}, "jobId: missing"),
        (UPDATE_JOB, {"jobId": "1", "state": "dancing"}, "state: 'dancing' is not one of"),
        (UPDATE_JOB, {"jobId": "1", "state": "cancelled"}, "state: 'cancelled' is not one of"),
        (UPDATE_JOB, {"jobId": "9" * 30, "state": "running"}, "jobId"),
        (UPDATE_JOB, {"jobId": "1", "state": "finished", "xml": "{"}, "xml"),
        (UPDATE_JOB, {"jobId": "1", "state": "finished", "xml": "[" * 50000}, "xml"),
        (UPDATE_JOB, {"jobId": "1", "state": "finished", "xml": '{"a": {"fsize": "big"}}'}, "fsize: 'big'"),
    ],
)
def test_a_bad_request_is_refused_with_field_value_and_wish(queue, pilot, path, fields, words):
    answer = pilot.form(path, fields)
    assert answer["StatusCode"] == 30
    assert words in answer["errorDialog"]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"X_Compass_Request_Id": "short"}, "X-Compass-Request-Id: 'short' is not 8 to 64"),
        ({"X_Compass_Request_Id": "x" * 65}, "X-Compass-Request-Id"),
    ],
)
def test_a_bad_header_is_refused(queue, pilot, headers, words):
    assert words in pilot.form(GET_JOB, ASKS, **headers)["errorDialog"]


def test_bad_progress_is_refused(queue, pilot):
    answer = pilot.form(UPDATE_JOB, says(1, "running"), X_Compass_Progress="half")
    assert "X-Compass-Progress: 'half' is not done/total" in answer["errorDialog"]


def test_strange_text_is_stored_whole(queue, pilot):
    (job_id,) = jobs.submit()
    pilot.form(GET_JOB, ASKS)
    words = "ein Müon fehlt <script> \u2603 'quoted'; DROP TABLE--"
    pilot.form(UPDATE_JOB, says(job_id, "failed", pilotErrorCode="1305", pilotErrorDiag=words))
    assert Job.objects.get().pilot_error_words == words


def test_a_body_that_is_too_large_is_413(queue, pilot, settings):
    settings.ENVIRONMENT = settings.ENVIRONMENT.__class__(body_limit=2**16)
    answer = pilot.post(GET_JOB, b"a" * 2**17, "application/json")
    assert answer.status_code == 413
    assert "at most 65536" in answer.json()["errorDialog"]


def test_nothing_is_done_by_get(client, queue, pilot):
    jobs.submit()
    headers = {"Authorization": f"Bearer {pilot.token}", "Accept": "application/json"}
    answer = client.get(GET_JOB, ASKS, headers=headers)
    assert answer.json()["StatusCode"] == 30
    assert "use POST" in answer.json()["errorDialog"]
    assert not Attempt.objects.exists()


def test_an_unknown_method_is_404_and_says_which_there_are(client, db):
    answer = client.post("/server/panda/dance", headers={"Accept": "application/json"})
    assert answer.status_code == 404
    assert (
        "there is no method 'dance' here; there are getAttr, getFullJobStatus, getJob," in answer.json()["errorDialog"]
    )


def test_the_methods_that_are_told_are_those_that_there_are():
    there = {pattern.pattern._route for pattern in urls.urlpatterns if "panda/" in str(pattern.pattern)}
    assert {f"server/panda/{name}" for name in legacy.METHODS} == there - {"server/panda/<str:name>"}


def test_the_server_says_that_it_is_alive(client, db):
    assert client.get("/server/panda/isAlive").content == b"alive=yes"


def test_our_own_breakdown_is_500_in_json_without_a_traceback(client, queue, pilot, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setattr("server.taskbuffer.hot.claim", None)
    jobs.submit()
    answer = pilot.post(GET_JOB, b'{"siteName": "LOCAL"}', "application/json")
    assert answer.status_code == 500
    assert answer.json()["StatusCode"] == 30
    assert "Traceback" not in answer.content.decode()
    assert "NoneType" not in answer.content.decode()


def test_every_answer_has_its_length_and_our_contract(queue, pilot):
    answer = pilot.post(GET_JOB, b'{"siteName": "LOCAL"}', "application/json")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.headers["X-Compass-Contract"] == "1"


def test_a_peer_that_asks_for_a_form_gets_one_though_it_writes_json(queue, pilot):
    number = jobs.submit()[0]
    body = json.dumps({"siteName": "LOCAL", "prodSourceLabel": "managed", "nJobs": 1}).encode()
    asked = {"Accept": "application/x-www-form-urlencoded"}
    answer = pilot.post(GET_JOB, body, "application/json", **asked)
    assert answer.headers["Content-Type"] == "application/x-www-form-urlencoded"
    said = dict(parse_qsl(answer.content.decode()))
    assert (said["StatusCode"], json.loads(said["jobs"])[0]["PandaID"]) == ("0", number)
    both = {"Accept": "application/x-www-form-urlencoded, application/json"}
    assert pilot.post(GET_JOB, body, "application/json", **both).json()["StatusCode"] == 20
    refused = pilot.post(UPDATE_JOB, b'{"state": "running"}', "application/json", **asked)
    assert dict(parse_qsl(refused.content.decode()))["errorDialog"].startswith("jobId: missing")
