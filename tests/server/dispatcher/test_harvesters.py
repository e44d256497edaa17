"""The methods of Harvesters, as these call them."""

from __future__ import annotations

import json

import pytest

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
