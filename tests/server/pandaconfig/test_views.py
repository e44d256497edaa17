"""Queues and storages as pilots fetch them."""

from __future__ import annotations

from pilot.contract.queue import QueueData, StorageEndpoint, local_storage
from server.pandaconfig import logic, queries


def test_a_pilot_fetches_its_queue_without_an_identity(client, queue):
    answer = client.get("/cache/schedconfig/LOCAL.all.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert QueueData.from_wire(answer.json()) == queries.queue("LOCAL")


def test_a_pilot_fetches_all_storages(client, db):
    logic.define_storage("DISK", local_storage("DISK", "/data"))
    answer = client.get("/cache/ddmendpoints.json")
    assert StorageEndpoint.from_wire("DISK", answer.json()["DISK"]).protocols_for("r")


def test_an_unknown_queue_is_404_and_named(client, db):
    answer = client.get("/cache/schedconfig/NOWHERE.all.json")
    assert answer.status_code == 404
    assert "queue 'NOWHERE' is not known here" in answer.json()["message"]


def test_nothing_can_be_written_there(client, queue):
    assert client.post("/cache/schedconfig/LOCAL.all.json").status_code == 405


def test_a_stock_pilot_finds_its_queue_under_its_name_too(client, queue):
    plain = client.get("/cache/schedconfig/LOCAL.all.json").json()
    assert client.get("/cache/schedconfig/LOCAL.json").json() == {"LOCAL": plain}
    answer = client.get("/cache/schedconfig/NOWHERE.json")
    assert (answer.status_code, "'NOWHERE'" in answer.json()["message"]) == (404, True)
