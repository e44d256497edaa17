"""Who may do what over HTTP: pilots of a queue, users, administrators of a site."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from server.accounts.logic import create_token, make_pass
from server.accounts.models import Role
from server.taskbuffer.models import Job
from tests.server import jobs
from tests.server.dispatcher.conftest import Peer

KILL, COMMAND, DEBUG = ("/api/v1/job/" + name for name in ("kill", "set_command", "set_debug_mode"))
REFUSED = "this token may report on the jobs of its queue only"


@pytest.fixture
def sent(queue):
    """A job that a pilot of LOCAL has."""
    (number,) = jobs.submit(user="bob")
    jobs.claim()
    return number


def pilot_of(client, *queues):
    create_token("site", Role.PILOT, queues=queues)
    return Peer(client, make_pass("site", lifetime=timedelta(hours=1)))


def user(client, name):
    return Peer(client, create_token(f"token of {name}", Role.USER, person=name))


def test_a_pilot_of_another_queue_is_refused_in_both_dialects(client, sent):
    pilot = pilot_of(client, "REMOTE")
    said = {"jobId": sent, "state": "running", "attemptNr": 1}
    assert pilot.form("/server/panda/updateJob", said)["StatusCode"] == 70
    report = {"job_id": sent, "job_status": "running", "attempt_nr": 1}
    answer = pilot.post("/api/v1/pilot/update_job", jobs_json(report), "application/json")
    assert (answer.status_code, REFUSED in answer.json()["message"]) == (403, True)
    (one,) = pilot.v1("/api/v1/pilot/update_jobs_bulk", {"job_list": [report]})["data"]
    assert (one["success"], REFUSED in one["message"]) == (False, True)
    (one,) = bulk(pilot, said)
    assert (one["StatusCode"], REFUSED in one["errorDialog"]) == (70, True)
    assert pilot.form("/server/panda/setDebugMode", {"pandaID": sent, "modeOn": True})["StatusCode"] == 70
    assert pilot.form("/server/panda/getJob", {"siteName": "LOCAL"})["StatusCode"] == 70
    assert jobs.state_of(sent) == "sent"


def test_a_pilot_of_the_queue_gets_its_jobs_and_reports_on_them(client, queue):
    (number,) = jobs.submit()
    pilot = pilot_of(client, "LOCAL")
    assert pilot.form("/server/panda/getJob", {"siteName": "LOCAL"})["PandaID"] == number
    said = {"jobId": number, "state": "running", "attemptNr": 1}
    assert pilot.form("/server/panda/updateJob", said)["StatusCode"] == 0
    assert jobs.moves_of(number)[-1] == (1, "running")
    assert Job.objects.get().moves.last().by == "site"


@pytest.mark.parametrize(
    ("path", "more"),
    [(KILL, {}), (COMMAND, {"command": "ps"}), (DEBUG, {"mode": True})],
    ids=["kill", "command", "debug"],
)
def test_a_user_acts_on_its_own_jobs_alone(client, sent, path, more):
    which = {"job_ids": [sent]} if path == KILL else {"job_id": sent}
    answer = user(client, "alice").v1(path, {**which, **more})
    assert (answer["success"], answer["message"]) == (
        False,
        f"job {sent} is bob's, at LOCAL; you may act on your own jobs alone; nothing was done",
    )
    assert Job.objects.get().command == ""
    assert user(client, "bob").v1(path, {**which, **more})["success"]
    assert Job.objects.get().command != ""


def test_a_user_submits_in_its_own_name(client, queue):
    wanted = {"computingSite": "LOCAL", "transformation": "true"}
    assert user(client, "alice").v1("/api/v1/job/submit", {"jobs": [wanted]})["success"]
    job = Job.objects.get()
    assert (job.user, job.label) == ("alice", "user")
    answer = user(client, "bob").v1("/api/v1/job/submit", {"jobs": [{**wanted, "prodUserName": "alice"}]})
    assert "jobs[0].prodUserName: 'alice' is not 'bob'" in answer["message"]


def test_the_administrator_of_a_site_acts_on_the_jobs_of_its_queues(client, sent):
    for name, queue, done in (("far", "REMOTE", False), ("near", "LOCAL", True)):
        peer = Peer(client, create_token(name, Role.SITE_ADMIN, queues=[queue]))
        assert peer.v1(KILL, {"job_ids": [sent]})["success"] is done


def bulk(pilot, *reports):
    """Report as older Harvesters do; answer what each was answered."""
    _, answers = pilot.form("/server/panda/updateJobsInBulk", {"jobList": json.dumps(reports)})
    return [json.loads(answer)["content"] for answer in answers]


def jobs_json(fields):
    return json.dumps(fields).encode()
