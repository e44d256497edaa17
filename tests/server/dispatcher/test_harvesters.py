"""The methods of Harvesters, as these call them."""

from __future__ import annotations

import json

import pytest

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.harvester import queries
from server.harvester.models import Command, HarvesterWorker, TargetSlots
from server.pilots.models import Worker
from tests.server.dispatcher.conftest import Peer
from tests.server.jobs import submit

BASE = "/api/v1/harvester"
WORKER = {"workerID": 7, "status": "running", "computingSite": "LOCAL"}

pytestmark = pytest.mark.django_db


def get(peer, name, **fields):
    answer = peer.client.get(f"{BASE}/{name}", fields, headers={"Authorization": f"Bearer {peer.token}"})
    return answer.json()["data"]


def post(peer, name, **fields):
    answer = peer.v1(f"{BASE}/{name}", fields)
    assert answer["success"], answer["message"]
    return answer["data"]


def test_a_harvester_lives_and_tells_of_its_workers(pilot):
    assert post(pilot, "heartbeat", harvester_id="H1", data={"sw_version": "1"}) is True
    assert post(pilot, "update_workers", harvester_id="H1", workers=[WORKER, {"workerID": 8}]) == [True, False]
    assert get(pilot, "get_current_worker_id", harvester_id="H1") == 7
    counts = {"managed": {"SCORE": {"running": 2}}}
    said = {"harvester_id": "H1", "panda_queue": "LOCAL", "statistics": json.dumps(counts)}
    assert post(pilot, "report_worker_statistics", **said) is True
    assert get(pilot, "get_worker_statistics") == {"LOCAL": {"H1": counts}}
    assert post(pilot, "add_dialogs", harvester_id="H1", dialogs=[{"diagID": 1, "diagMessage": "well"}]) is True
    assert post(pilot, "update_service_metrics", harvester_id="H1", metrics=[["2026-11-22", "host", {}]]) is True


def test_a_manager_has_workers_ended_and_their_harvester_is_told_once(pilot, manager):
    post(pilot, "update_workers", harvester_id="H1", workers=[WORKER])
    assert post(manager, "add_sweep_command", panda_queue="LOCAL", status_list=["submitted"]) == 1
    (command,) = post(pilot, "acquire_commands", harvester_id="H1", n_commands=10, timeout=30)
    assert command["command"] == "KILL_WORKERS:LOCAL"
    assert command["params"] == {"status": ["submitted"], "computingElement": "ALL", "submissionHost": "ALL"}
    assert set(command) == {"command_id", "command", "params", "ack_requested", "creation_date"}
    assert post(pilot, "acknowledge_commands", command_ids=[command["command_id"]]) is True
    assert post(pilot, "acquire_commands", harvester_id="H1", n_commands=10) == []


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("heartbeat", {}, "Argument error: harvester_id: missing"),
        ("update_workers", {"harvester_id": "H1", "workers": [7]}, "Type error: workers"),
        ("update_service_metrics", {"harvester_id": "H1", "metrics": "{}"}, "Type error: metrics"),
        ("acquire_commands", {"harvester_id": "H1", "n_commands": 0}, "Argument error: n_commands: 0"),
        ("acknowledge_commands", {"command_ids": ["x"]}, "Type error: command_ids"),
    ],
)
def test_a_slip_is_named(pilot, name, fields, words):
    answer = pilot.v1(f"{BASE}/{name}", fields)
    assert not answer["success"]
    assert answer["message"].startswith(words)


def test_a_pilot_sweeps_nobody(pilot):
    assert pilot.post(f"{BASE}/add_sweep_command", b"{}", "application/json").status_code == 403


@pytest.fixture
def local(client):
    """A pilots' token that is for the queue LOCAL alone."""
    return Peer(client, create_token("local", Role.PILOT, queues=["LOCAL"]))


def refused(peer, name, **fields):
    answer = peer.post(f"{BASE}/{name}", json.dumps(fields).encode(), "application/json")
    assert answer.status_code == 403
    return answer.json()["message"]


def test_a_token_for_some_queues_tells_of_workers_there_alone(pilot, local):
    other = {**WORKER, "workerID": 8, "computingSite": "REMOTE"}
    post(pilot, "update_workers", harvester_id="H1", workers=[other])
    assert post(local, "update_workers", harvester_id="H1", workers=[WORKER]) == [True]
    words = "this token is for LOCAL, not for REMOTE; nothing was done"
    assert refused(local, "update_workers", harvester_id="H1", workers=[WORKER, other]) == (
        f"workers[1].computingSite: {words}"
    )
    stolen = {**other, "computingSite": "LOCAL", "status": "failed"}
    assert refused(local, "update_workers", harvester_id="H1", workers=[stolen]) == f"workerID: 8: {words}"
    nowhere = {"workerID": 9, "status": "running"}
    assert "not for no queue" in refused(local, "update_workers", harvester_id="H1", workers=[nowhere])
    assert dict(HarvesterWorker.objects.values_list("worker_id", "state")) == {7: "running", 8: "running"}
    said = {"harvester_id": "H1", "panda_queue": "REMOTE", "statistics": "{}"}
    assert refused(local, "report_worker_statistics", **said) == f"panda_queue: {words}"


def test_a_token_for_some_queues_is_given_commands_for_them_alone(pilot, local, manager):
    for number, queue in ((7, "LOCAL"), (8, "REMOTE")):
        line = {**WORKER, "workerID": number, "computingSite": queue}
        post(pilot, "update_workers", harvester_id="H1", workers=[line])
        post(manager, "add_sweep_command", panda_queue=queue)
    (mine,) = post(local, "acquire_commands", harvester_id="H1", n_commands=10)
    assert mine["command"] == "KILL_WORKERS:LOCAL"
    numbers = list(Command.objects.values_list("pk", flat=True))
    assert post(local, "acknowledge_commands", command_ids=numbers) is True
    assert list(Command.objects.filter(acknowledged_at=None).values_list("word", flat=True)) == ["KILL_WORKERS:REMOTE"]
    assert len(post(pilot, "acquire_commands", harvester_id="H1", n_commands=10)) == 1


def test_a_token_for_some_queues_speaks_for_pilots_of_workers_there_alone(pilot, local):
    other = {**WORKER, "workerID": 8, "computingSite": "REMOTE"}
    post(pilot, "update_workers", harvester_id="H1", workers=[WORKER, other])
    for number, allowed in ((7, True), (8, False), (9, True)):  # of the last nothing is known yet
        fields = {"worker_id": number, "harvester_id": "H1", "status": "started"}
        body = json.dumps(fields).encode()
        answer = local.post("/api/v1/pilot/update_worker_status", body, "application/json")
        assert answer.json()["success"] is allowed
    assert list(Worker.objects.order_by("worker_id").values_list("worker_id", flat=True)) == [7, 9]
    legacy = {"workerID": 10, "harvesterID": "H1", "status": "started", "site": "REMOTE"}
    assert local.form("/server/panda/updateWorkerPilotStatus", legacy)["StatusCode"] == 70
    node = {"site": "SITE", "host_name": "wn", "cpu_model": "x", "panda_queue": "REMOTE"}
    answer = local.post("/api/v1/pilot/update_worker_node", json.dumps(node).encode(), "application/json")
    assert answer.status_code == 403


def count(peer, **states):
    counts = json.dumps({"managed": {"SCORE": states}})
    post(peer, "report_worker_statistics", harvester_id="H1", panda_queue="LOCAL", statistics=counts)


def test_a_harvester_with_fewer_workers_than_wanted_is_told_how_many_are_missing(pilot, manager):
    post(manager, "add_target_slots", panda_queue="LOCAL", slots=5)
    count(pilot, running=1, submitted=1, finished=40)
    (command,) = post(pilot, "acquire_commands", harvester_id="H1", n_commands=10)
    assert command["command"] == "SET_N_WORKERS_JOBTYPE:LOCAL"
    assert command["params"] == {"managed": {"SCORE": 3}}
    count(pilot, running=1)  # it needs some time to submit them
    assert post(pilot, "acquire_commands", harvester_id="H1", n_commands=10) == []


@pytest.mark.parametrize("wish", [{"slots": 2}, {"slots": 0}, {"slots": 9, "expiration_date": "2020-01-01 00:00:00"}])
def test_nothing_is_told_when_there_are_enough_or_nobody_wants_more(pilot, manager, wish):
    post(manager, "add_target_slots", panda_queue="LOCAL", slots=7)
    post(manager, "add_target_slots", panda_queue="LOCAL", **wish)
    count(pilot, running=2)
    assert post(pilot, "acquire_commands", harvester_id="H1", n_commands=10) == []
    assert TargetSlots.objects.count() == bool(wish["slots"])


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"slots": -1}, "Argument error: slots: -1 is not from 0"),
        ({"slots": 1, "global_share": "MC"}, "Argument error: global_share: 'MC': workers have no share here"),
        ({"slots": 1, "resource_type": "x" * 57}, "Argument error: resource_type: "),
        ({"slots": 1, "expiration_date": "soon"}, "Type error: expiration_date: 'soon' is not a time"),
    ],
)
def test_slots_that_cannot_be_wanted_are_refused_by_name(manager, wish, words):
    answer = manager.v1(f"{BASE}/add_target_slots", {"panda_queue": "LOCAL", **wish})
    assert answer["message"].startswith(words)


def test_a_manager_orders_and_the_order_is_given_and_acknowledged(pilot, manager):
    post(pilot, "heartbeat", harvester_id="H1")
    assert post(manager, "add_command", kind="SYNC_WORKERS_KILL", harvester_id="H1", parameters={"a": 1}) == 1
    (command,) = post(pilot, "acquire_commands", harvester_id="H1", n_commands=10)
    assert (command["command"], command["params"]) == ("SYNC_WORKERS_KILL", {"a": 1})
    assert post(pilot, "acknowledge_commands", command_ids=[command["command_id"]]) is True
    assert Command.objects.get().acknowledged_at is not None


@pytest.mark.parametrize(
    ("queues", "to", "status"), [(["LOCAL"], "LOCAL", 200), (["LOCAL"], "OTHER", 403), (["LOCAL"], "", 403)]
)
def test_a_sites_administrator_orders_at_its_queues_alone(client, pilot, queues, to, status):
    post(pilot, "update_workers", harvester_id="H1", workers=[WORKER])
    admin = Peer(client, create_token("site", Role.SITE_ADMIN, queues=queues))
    kind = "KILL_WORKERS" if to else "SYNC_WORKERS_KILL"
    said = {"kind": kind, "harvester_id": "H1", **({"panda_queue": to} if to else {})}
    answer = admin.client.post(
        f"{BASE}/add_command", said, "application/json", headers={"Authorization": f"Bearer {admin.token}"}
    )
    assert answer.status_code == status
    assert Command.objects.count() == (status == 200)


def test_a_pilot_orders_nothing(pilot):
    assert pilot.post(f"{BASE}/add_command", b"{}", "application/json").status_code == 403


def test_a_workers_pilot_that_takes_jobs_leads_from_the_worker_to_these(pilot, queue):
    (number,) = submit()
    request = {"site_name": "LOCAL", "prod_source_label": "managed", "harvester_id": "H1", "worker_id": 7}
    assert pilot.v1("/api/v1/pilot/acquire_jobs", request)["success"]
    assert queries.jobs_of_worker("H1", 7) == [number]
    assert queries.workers_of_job(number) == [("H1", 7)]
