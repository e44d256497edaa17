"""The newer dialect: JSON in PanDA's envelope, with its manners."""

from __future__ import annotations

import gzip
import json

import pytest

from pilot.contract.codec import Dialect, decode, encode
from pilot.contract.messages import JobUpdate, UpdateAnswer, WorkRequest
from pilot.contract.order import order_to_wire
from pilot.contract.routes import CONTRACT_HEADER, SHOWN
from pilot.contract.states import JobState
from server.taskbuffer import queries
from server.taskbuffer.models import Attempt, Job
from tests.server import jobs
from tests.server.dispatcher.conftest import UPDATE_JOB

ACQUIRE, UPDATE = "/api/v1/pilot/acquire_jobs", "/api/v1/pilot/update_job"
SUBMIT, STATUS, KILL = "/api/v1/job/submit", "/api/v1/job/get_status", "/api/v1/job/kill"
WORK = encode(WorkRequest("LOCAL", node="wn1", memory=4000), Dialect.V1)


def update(job_id: int, state: JobState, **fields) -> dict:
    return encode(JobUpdate(job_id, state, attempt=1, **fields), Dialect.V1)


def test_a_job_is_submitted_acquired_and_finished(queue, manager, pilot):
    (number, _, name), *_ = manager.v1(SUBMIT, {"jobs": [order_to_wire(jobs.order(name="mc-1"))]})["data"]
    assert name == "mc-1"
    data = pilot.v1(ACQUIRE, WORK)["data"]
    assert data["StatusCode"] == 0
    assert [job["PandaID"] for job in data["jobs"]] == [number]
    assert pilot.v1(UPDATE, update(number, JobState.RUNNING))["success"]
    answer = pilot.v1(UPDATE, update(number, JobState.FINISHED, files=jobs.stored("out.root", "job.log.tgz")))
    assert answer["data"] == {"StatusCode": 0, "command": None}
    assert decode(UpdateAnswer, answer["data"], Dialect.V1) == UpdateAnswer("NULL")
    assert jobs.state_of(number) == "finished"


def test_an_empty_queue_is_no_success_with_the_known_words(queue, pilot):
    assert pilot.v1(ACQUIRE, WORK) == {"success": False, "message": "No jobs in PanDA", "data": None}


def test_the_jobs_may_be_a_text_as_panda_client_sends_them(queue, manager):
    text = json.dumps([order_to_wire(jobs.order())] * 3)
    assert len(manager.v1(SUBMIT, {"jobs": text})["data"]) == 3


def test_a_packed_body_is_read(queue, manager):
    body = gzip.compress(json.dumps({"jobs": [order_to_wire(jobs.order())]}).encode())
    assert manager.post(SUBMIT, body, "application/json", Content_Encoding="gzip").json()["success"]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"computingSite": "LOCAL"}], "jobs[0]: transformation"),
        ([{"computingSite": "LOCAL", "transformation": "a"}, {"computingSite": "X", "transformation": "a"}], "'X'"),
        ([{"computingSite": "LOCAL", "transformation": "a", "cores": 1}], "jobs[0]: cores: no such field"),
        ([], "jobs: 0 jobs"),
        ("no list", "Type error: jobs: 'no list' is not a list of objects"),
        ("7", "Type error: jobs: '7' is not a list of objects"),
        ([1], "Type error: jobs: [1] is not a list of objects"),
    ],
)
def test_a_bad_submission_takes_nothing_and_names_the_field(queue, manager, entries, words):
    answer = manager.v1(SUBMIT, {"jobs": entries})
    assert not answer["success"]
    assert words in answer["message"]
    assert answer["message"].startswith(("Argument error: ", "Type error: "))
    assert not Job.objects.exists()


def test_too_many_jobs_are_refused_and_not_cut(queue, manager):
    assert "5001 jobs" in manager.v1(SUBMIT, {"jobs": [{}] * 5001})["message"]


@pytest.mark.parametrize("path", [ACQUIRE, UPDATE, KILL, SUBMIT])
def test_an_unknown_argument_is_named(queue, pilot, manager, path):
    peer = pilot if path in {ACQUIRE, UPDATE} else manager
    answer = peer.v1(path, {"color": "red"})
    assert answer["success"] is False
    assert answer["message"].startswith("Argument error: ")
    assert "color" in answer["message"]


def test_a_wrong_type_is_named_with_its_value(queue, pilot):
    answer = pilot.v1(UPDATE, {"job_id": "seven", "job_status": "running"})
    assert answer["message"] == "Type error: job_id: 'seven' is not a whole number"


@pytest.mark.parametrize("path", [ACQUIRE, UPDATE, SUBMIT, KILL])
def test_get_on_a_post_method_is_200_and_no_success(client, queue, pilot, manager, path):
    peer = pilot if path in {ACQUIRE, UPDATE} else manager
    answer = client.get(path, headers={"Authorization": f"Bearer {peer.token}"})
    assert answer.status_code == 200
    assert answer.json() == {"success": False, "message": "GET is not allowed here; use POST", "data": None}


def test_the_same_request_is_answered_with_the_same_jobs(queue, pilot):
    jobs.submit(3)
    first = pilot.v1(ACQUIRE, {**WORK, "n_jobs": 2}, X_Compass_Request_Id="request-0001")
    assert pilot.v1(ACQUIRE, {**WORK, "n_jobs": 2}, X_Compass_Request_Id="request-0001") == first
    assert Attempt.objects.count() == 2


def test_states_are_told_in_the_order_of_the_question(client, queue, pilot):
    ids = jobs.submit(2)
    pilot.v1(ACQUIRE, WORK)
    headers = {"Authorization": f"Bearer {pilot.token}"}
    answer = client.get(STATUS, {"job_ids": [ids[1], 999, ids[0]]}, headers=headers).json()
    assert answer["data"] == [["activated", ""], ["notfound", ""], ["sent", ""]]
    one = client.get(STATUS, {"job_ids": ids[0]}, headers=headers).json()
    assert one["data"] == [["sent", ""]]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({}, "Argument error: job_ids: missing; a list of whole numbers is expected"),
        ({"job_ids": "None"}, "Argument error: job_ids: missing; a list of whole numbers is expected"),
        ({"job_ids": "x"}, "Type error: job_ids: 'x' is not a whole number"),
        ({"job_ids": ["1", "x"]}, "Type error: job_ids: 'x' is not a whole number"),
        ({"job_ids": 1, "what": 2}, "Argument error: got an unexpected argument 'what'; there are job_ids, timeout"),
    ],
)
def test_a_bad_question_is_refused_by_the_name_of_what_is_wrong(client, queue, pilot, question, words):
    answer = client.get(STATUS, question, headers={"Authorization": f"Bearer {pilot.token}"}).json()
    assert answer == {"success": False, "message": words, "data": None}


def test_a_query_is_read_as_pandas_is(client, queue, pilot):
    ids = jobs.submit(2)
    headers = {"Authorization": f"Bearer {pilot.token}"}
    answer = client.get(STATUS, {"job_ids": [f"{number}.0" for number in ids], "timeout": "None"}, headers=headers)
    assert answer.json()["data"] == [["activated", ""]] * 2


def test_a_form_is_read_where_the_body_is_no_json(queue, manager):
    ids = jobs.submit(2)
    body = "&".join(f"job_ids={number}" for number in ids).encode()
    answer = manager.post(KILL, body, "application/x-www-form-urlencoded").json()
    assert answer["data"] == [True, True]


def test_jobs_are_killed_by_number(queue, manager):
    ids = jobs.submit(2)
    assert manager.v1(KILL, {"job_ids": [*ids, 999], "code": 2})["data"] == [True, True, False]
    assert {jobs.state_of(job_id) for job_id in ids} == {"closed"}
    assert "no kill code" in manager.v1(KILL, {"job_ids": ids, "code": 77})["message"]


def test_a_pilot_may_not_submit(queue, pilot):
    answer = pilot.post(SUBMIT, b"{}", "application/json")
    assert answer.status_code == 403


def test_an_unknown_method_is_404_in_the_envelope(client, db):
    answer = client.post("/api/v1/job/dance")
    assert answer.status_code == 404
    assert answer.json()["success"] is False
    assert "/api/v1/job/dance" in answer.json()["message"]


def test_the_server_says_that_it_is_alive(client, db):
    assert client.get("/api/v1/system/is_alive").json() == {"success": True, "message": "", "data": None}


def test_a_strange_host_is_refused_in_the_envelope(client, db):
    answer = client.get("/api/v1/system/is_alive", headers={"Host": "evil.example.org"})
    assert answer.status_code == 400
    assert answer.json()["success"] is False


def test_a_pilot_is_given_what_fits_the_cores_it_has_free_whatever_its_queue_says(queue, pilot):
    (large,) = jobs.submit(cores=6, priority=10)
    (small,) = jobs.submit(cores=2)

    def given(cores: str) -> list[int]:
        data = pilot.v1(ACQUIRE, WORK, X_Compass_Cores=cores)["data"]
        return [job["PandaID"] for job in data["jobs"]] if data else []

    assert given("3") == [small]
    assert given("3") == []
    assert given("16") == [large]


@pytest.mark.parametrize("cores", ["0", "-1", "many", "123456"])
def test_a_number_of_cores_that_is_none_is_refused(queue, pilot, cores):
    assert f"X-Compass-Cores: '{cores}' is not" in pilot.v1(ACQUIRE, WORK, X_Compass_Cores=cores)["message"]


def test_a_command_names_the_attempt_that_it_is_for_to_a_pilot_that_knows_of_it(queue, pilot):
    (number,) = jobs.submit()
    pilot.v1(ACQUIRE, WORK)
    assert pilot.v1(UPDATE, update(number, JobState.RUNNING))["data"] == {"StatusCode": 0, "command": None}
    answer = pilot.v1(UPDATE, update(number, JobState.RUNNING), X_Compass_Contract="1")
    assert answer["data"] == {"StatusCode": 0, "command": None, "attemptNr": 1}


COMMAND, DEBUG = "/api/v1/job/set_command", "/api/v1/job/set_debug_mode"


def said_to(pilot, number, state=JobState.RUNNING, **fields):
    return pilot.v1(UPDATE, update(number, state, **fields))["data"]["command"]


def test_a_manager_has_a_pilot_told_something_until_there_is_something_else(queue, manager, pilot):
    (number,) = jobs.submit()
    assert manager.v1(COMMAND, {"job_id": number, "command": "nocleanup"})["success"]
    pilot.v1(ACQUIRE, WORK)
    assert said_to(pilot, number) == "nocleanup"
    manager.v1(COMMAND, {"job_id": number, "command": "debug, tail payload.stdout"})
    assert [said_to(pilot, number) for _ in range(2)] == ["debug,tail payload.stdout", "debug"]
    manager.v1(DEBUG, {"job_id": number, "mode": False})
    assert said_to(pilot, number) == "debugoff"
    manager.v1(DEBUG, {"job_id": number, "mode": True})
    assert said_to(pilot, number) == "debug"
    manager.v1(COMMAND, {"job_id": number, "command": ""})
    assert said_to(pilot, number) is None


def test_a_look_is_told_to_a_pilot_of_ours_until_it_has_shown_it(queue, manager, pilot):
    (number,) = jobs.submit()
    pilot.v1(ACQUIRE, WORK)
    manager.v1(COMMAND, {"job_id": number, "command": "debug,tail -n 5 'a b',ls"})
    ours, body = {CONTRACT_HEADER: "1"}, update(number, JobState.RUNNING)
    told = "debug,tail -n 5 'a b',ls"
    assert [pilot.v1(UPDATE, body, **ours)["data"]["command"] for _ in range(2)] == [told] * 2
    pilot.v1(UPDATE, {**body, "stdout": "event 7"}, **ours)
    answer = pilot.v1(UPDATE, {**body, "stdout": "the end"}, **ours, **{SHOWN: "tail%20-n%205%20%27a%20b%27"})
    assert answer["data"]["command"] == "debug,ls"
    assert pilot.v1(UPDATE, body, **ours, **{SHOWN: "ls"})["data"]["command"] == "debug"
    assert queries.live_tail(number) == "event 7", "what was shown is not what the payload prints"
    assert queries.live_shown(number) == "$ tail -n 5 'a b'\nthe end\n$ ls\nnothing\n"
    manager.v1(COMMAND, {"job_id": number, "command": "debugoff"})
    assert queries.live_shown(number) != ""
    manager.v1(COMMAND, {"job_id": number, "command": "ps"})
    assert queries.live_shown(number) == "", "it was asked anew"


def test_a_look_is_told_once_in_the_older_dialect_too(queue, manager, pilot):
    (number,) = jobs.submit()
    pilot.v1(ACQUIRE, WORK)
    manager.v1(COMMAND, {"job_id": number, "command": "ls -l"})
    body = encode(JobUpdate(number, JobState.RUNNING, attempt=1), Dialect.LEGACY)
    assert [pilot.packed(UPDATE_JOB, body)["command"] for _ in range(2)] == ["ls -l", "NULL"]


def test_a_job_that_was_killed_softly_is_cancelled_and_not_tried_again(queue, manager, pilot):
    (number,) = jobs.submit()
    pilot.v1(ACQUIRE, WORK)
    said_to(pilot, number)
    manager.v1(COMMAND, {"job_id": number, "command": "softkill"})
    assert said_to(pilot, number) == "softkill"
    said_to(pilot, number, JobState.FAILED, pilot_error=1151)
    assert jobs.state_of(number) == "cancelled"


def test_a_soft_kill_is_not_lost_when_somebody_wants_something_else_too(queue, manager, pilot):
    (number,) = jobs.submit()
    pilot.v1(ACQUIRE, WORK)
    for command in ("softkill", "tail payload.stdout", "debug,softkill"):
        manager.v1(COMMAND, {"job_id": number, "command": command})
    assert said_to(pilot, number) == "debug,softkill"
    manager.v1(DEBUG, {"job_id": number, "mode": False})
    assert said_to(pilot, number) == "softkill,debugoff"
    manager.v1(COMMAND, {"job_id": number, "command": ""})
    assert said_to(pilot, number) is None, "only nothing takes it back"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"job_id": "x", "command": "debug"}, "job_id: 'x' is not a whole number"),
        ({"job_id": 10**15, "command": "debug"}, "job_id: 1000000000000000 is not known"),
        ({"command": "tobekilled"}, "command: 'tobekilled' is no command; there are softkill, debug"),
        ({"command": "debug,rm -r /"}, "command: 'rm -r /' is no command"),
        ({"command": "tail " + "x" * 250}, "command: 255 characters; at most 250"),
    ],
)
def test_what_is_no_command_is_refused_with_the_words_there_are(queue, manager, fields, words):
    (number,) = jobs.submit()
    answer = manager.v1(COMMAND, {"job_id": number, **fields})
    assert not answer["success"]
    assert words in answer["message"]


def test_a_command_names_its_job(manager):
    assert "job_id: missing" in manager.v1(COMMAND, {"command": "debug"})["message"]


def test_a_job_that_is_killed_or_has_ended_hears_of_nothing_else(queue, manager, pilot):
    (number,) = jobs.submit()
    pilot.v1(ACQUIRE, WORK)
    said_to(pilot, number)
    manager.v1(KILL, {"job_ids": [number]})
    assert "is being killed" in manager.v1(COMMAND, {"job_id": number, "command": "debug"})["message"]
    assert said_to(pilot, number) == "tobekilled"
    said_to(pilot, number, JobState.FAILED, pilot_error=1144)
    assert "has ended, it is cancelled" in manager.v1(COMMAND, {"job_id": number, "command": "debug"})["message"]


def test_a_pilot_may_command_nobody(queue, pilot):
    answer = pilot.post(COMMAND, b'{"job_id": 1, "command": "debug"}', "application/json")
    assert answer.status_code == 403


BULK, STATUSES = "/api/v1/pilot/update_jobs_bulk", "/api/v1/pilot/get_job_status"


def test_harvester_reports_on_several_jobs_at_once_and_each_has_its_answer(queue, manager, pilot):
    one, two = jobs.submit(2)
    pilot.v1(ACQUIRE, {**WORK, "n_jobs": 2})
    manager.v1(KILL, {"job_ids": [two]})
    reports = [update(one, JobState.RUNNING), update(two, JobState.RUNNING), {"job_id": one, "job_status": "asleep"}]
    answers = pilot.v1(BULK, {"job_list": reports, "harvester_id": "H1"})["data"]
    assert [answer["success"] for answer in answers] == [True, True, False]
    assert [answer["data"]["command"] for answer in answers[:2]] == [None, "tobekilled"]
    assert "job_status: 'asleep'" in answers[2]["message"]
    assert [jobs.state_of(number) for number in (one, two)] == ["running", "running"]
    token = {"Authorization": f"Bearer {pilot.token}"}
    said = pilot.client.get(STATUSES, {"job_ids": [one, two, 99]}, headers=token).json()["data"]
    assert said == [{"job_id": number, "status": "running", "attempt_number": 1} for number in (one, two)]


@pytest.mark.parametrize(
    ("reports", "words"),
    [
        (None, "job_list: missing"),
        ([7], "job_list: [7] is not a list of objects"),
        ("[", "'[' is not a list of objects"),
    ],
)
def test_what_is_no_list_of_reports_is_refused(db, pilot, reports, words):
    answer = pilot.v1(BULK, {"job_list": reports})
    assert not answer["success"]
    assert words in answer["message"]


@pytest.mark.parametrize("dialect", [Dialect.V1, Dialect.LEGACY])
def test_the_tries_to_copy_files_are_kept_with_the_final_report(pilot, queue, dialect):
    (number,) = jobs.submit()
    jobs.claim()
    tries = [{"lfn": "a", "tool": "cp", "error": "late"}]
    said = JobUpdate(job_id=number, attempt=1, state=JobState.FAILED, pilot_error=1099, transfers=json.dumps(tries))
    if dialect is Dialect.V1:
        pilot.v1(UPDATE, encode(said, dialect))
    else:
        pilot.packed(UPDATE_JOB, encode(said, dialect))
    assert list(queries.transfers_of(queries.jobs([number])).values()) == [tries]
