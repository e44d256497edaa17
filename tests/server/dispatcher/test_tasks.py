"""Production tasks as PanDA's clients ask for them, by number."""

from __future__ import annotations

import pytest

from pilot.contract.queue import local_storage
from server.accounts.logic import create_token
from server.accounts.models import Role
from server.pandaconfig.logic import define_queue, define_storage
from server.production.models import Task, TaskEvent
from server.taskbuffer.models import Job
from tests.server import jobs
from tests.server.dispatcher.conftest import Peer
from tests.server.production.test_user_definition import LOG, OUTPUT, PLAIN

BASE = "/api/v1/task"

pytestmark = pytest.mark.django_db


@pytest.fixture
def task():
    plain = {"production": "test", "year": 2026, "period": "W01", "soft": "mc-1", "queue": "LOCAL"}
    numbers = {"priority": 0, "merging_priority": 0, "max_attempts": 3}
    return Task.objects.create(name="mc26", type="mc_generation", state="send", owner="alice", **plain, **numbers)


def get(peer, name, number):
    headers = {"Authorization": f"Bearer {peer.token}"}
    return peer.client.get(f"{BASE}/{name}", {"task_id": number}, headers=headers).json()


def test_a_task_is_looked_at_by_its_number(queue, manager, task):
    ids = jobs.submit(2, task_id=task.pk)
    jobs.submit()
    assert get(manager, "get_status", task.pk)["data"] == "ready"
    told = get(manager, "get_details", task.pk)["data"]
    assert (told["jobs"], told["jediTaskID"], told["status"]) == ({"activated": 2}, task.pk, "ready")
    assert (told["state"], told["userName"]) == ("send", "alice")
    assert get(manager, "get_job_ids", task.pk)["data"] == ids


def test_a_task_is_paused_resumed_and_killed_in_its_managers_name(queue, manager, task):
    for name, state in (("pause", "paused"), ("resume", "running"), ("finish", "finishing"), ("kill", "aborted")):
        answer = manager.v1(f"{BASE}/{name}", {"task_id": task.pk})
        assert answer == {"success": True, "message": f"task mc26 is {state}", "data": 0}
    assert set(TaskEvent.objects.values_list("by", flat=True)) == {"a-manager"}


@pytest.mark.parametrize(
    ("name", "words"),
    [("resume", "cannot become running"), ("retry", "cannot become resend_failed")],
)
def test_what_a_task_cannot_do_now_is_refused_with_what_it_can(queue, manager, task, name, words):
    answer = manager.v1(f"{BASE}/{name}", {"task_id": task.pk, **({"no_child_retry": True} if name == "retry" else {})})
    assert answer["success"] is False
    assert words in answer["message"]


def test_a_retry_changes_no_parameters(queue, manager, task):
    answer = manager.v1(f"{BASE}/retry", {"task_id": task.pk, "new_parameters": {"nFiles": 1}})
    assert answer["message"].startswith("Argument error: new_parameters: a task stays as it was defined")


def test_a_task_that_is_not_known_is_told(queue, manager):
    for answer in (get(manager, "get_status", 99), manager.v1(f"{BASE}/kill", {"task_id": 99})):
        assert answer == {
            "success": False,
            "message": "task_id: 99 is not known here; a task's jobs have its number as jediTaskID",
            "data": None,
        }


def test_a_pilot_ends_no_task(pilot):
    assert pilot.post(f"{BASE}/kill", b'{"task_id": 1}', "application/json").status_code == 403


SIMPLE = {**PLAIN, "site": "LOCAL", "jobParameters": [{**OUTPUT, "destination": "DISK"}], "log": LOG, "nFiles": 2}


@pytest.fixture
def place(queue):
    """The queue has a storage for logs, too."""
    define_storage("DISK", local_storage("DISK", "/data"))
    define_queue(
        {"nickname": "LOCAL", "status": "online", "astorages": {name: ["DISK"] for name in ("pr", "pw", "pl")}}
    )


@pytest.fixture
def alice(client, place):
    return Peer(client, create_token("notebook", Role.USER, person="alice"))


@pytest.fixture
def bob(client, place):
    return Peer(client, create_token("laptop", Role.USER, person="bob"))


def submit(peer, **said):
    return peer.v1(f"{BASE}/submit", {"task_parameters": {**SIMPLE, **said}, "parent_tid": None})


def number_of(answer):
    assert (answer["success"], answer["data"]) == (True, 0), answer
    return int(answer["message"].rpartition("jediTaskID=")[2])


def test_a_user_submits_a_task_and_follows_it_by_its_number(alice):
    number = number_of(submit(alice, currentPriority=900))
    assert get(alice, "get_status", number)["data"] == "running"
    ids = get(alice, "get_job_ids", number)["data"]
    assert [(job.user, job.label, job.priority) for job in Job.objects.filter(pk__in=ids)] == [
        ("alice", "user", 900)
    ] * 2
    headers = {"Authorization": f"Bearer {alice.token}"}
    asked = {"task_id": number, "include_parameters": "true"}
    told = alice.client.get(f"{BASE}/get_details", asked, headers=headers).json()["data"]
    assert (told["taskName"], told["userName"], told["jobs"]) == ("user.alice.test", "alice", {"activated": 2})
    assert told["taskParameters"]["nFiles"] == 2


@pytest.mark.parametrize(("name", "status"), [("kill", "aborted"), ("pause", "paused"), ("finish", "finishing")])
def test_users_act_on_their_own_tasks_alone(alice, bob, name, status):
    number = number_of(submit(alice))
    answer = bob.v1(f"{BASE}/{name}", {"task_id": number})
    assert answer["message"] == f"task_id: {number} is alice's; you may act on your own tasks alone; nothing was done"
    assert get(bob, "get_status", number)["data"] == "running"
    assert alice.v1(f"{BASE}/{name}", {"task_id": number})["success"]
    assert get(bob, "get_status", number)["data"] == status


def test_a_user_does_nothing_with_a_production(alice, task):
    answer = alice.v1(f"{BASE}/kill", {"task_id": task.pk})
    assert "you may act on your own tasks alone" in answer["message"]
    assert Task.objects.get(pk=task.pk).state == "send"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"userName": "bob"}, "userName: 'bob' is not 'alice'"),
        ({"prodSourceLabel": "install"}, "prodSourceLabel: 'install' is not one of a user's"),
        ({"taskPriority": 1001}, "taskPriority: 1001 is above 1000, the highest of a user; give 1000 or less"),
        ({"transPath": ""}, "Argument error: transPath: missing"),
    ],
)
def test_what_a_user_may_not_order_is_refused_by_its_name(alice, said, words):
    assert words in submit(alice, **said)["message"]
    assert not Task.objects.exists()


def test_a_manager_submits_in_anybodys_name(manager, place):
    number = number_of(submit(manager, userName="carol", taskPriority=5000))
    assert Task.objects.get(pk=number).owner == "carol"
    assert set(Job.objects.values_list("user", "priority")) == {("carol", 5000)}


def test_a_task_waits_for_no_other(alice):
    answer = alice.v1(f"{BASE}/submit", {"task_parameters": SIMPLE, "parent_tid": 5})
    assert answer["message"].startswith("Argument error: parent_tid: 5: tasks do not wait for each other")


def test_a_users_job_joins_only_a_task_of_its_owner(alice, bob):
    number = number_of(submit(alice))
    job = {"transformation": "true", "computingSite": "LOCAL", "jediTaskID": number}
    refused = bob.v1("/api/v1/job/submit", {"jobs": [job]})
    assert f"jobs[0].jediTaskID: {number} is no task of yours; leave it out" in refused["message"]
    assert alice.v1("/api/v1/job/submit", {"jobs": [job]})["success"]
    assert len(get(bob, "get_job_ids", number)["data"]) == 3
