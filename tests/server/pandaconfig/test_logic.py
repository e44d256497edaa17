"""Queues and storages are defined, merged and refused."""

from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from pilot.contract.queue import QueueData, local_storage
from server.pandaconfig import logic, queries
from server.pandaconfig.merge import merge, split
from server.pandaconfig.models import Schedconfig, SchedconfigJson, StorageEndpoint

QUEUE = {
    "nickname": "CERN_COMPASS",
    "gstat": "CERN",
    "status": "online",
    "corecount": 4,
    "maxrss": 8000,
    "timefloor": 30,
    "comment_": "the first",
    "copytools": {"cp": {"setup": ""}},
    "acopytools": {"read_lan": ["cp"]},
    "params": {"internet_protocol_version": "IPv4"},
}


def test_columns_and_json_are_kept_apart_and_merged_for_pilots(db):
    assert logic.define_queue(QUEUE) == queries.queue("CERN_COMPASS")
    row = Schedconfig.objects.get()
    assert (row.corecount, row.comment, row.json.data["copytools"]) == (4, "the first", {"cp": {"setup": ""}})
    found = queries.queue("CERN_COMPASS")
    assert (found.cores, found.memory, found.time_floor, found.site) == (4, 8000 * 2**20, 1800, "CERN")
    assert found.copytools_for("read_lan") == ("cp",)
    assert "comment" not in queries.queue_json("CERN_COMPASS")


def test_a_queue_has_every_key_that_stock_pilots_look_for(db):
    logic.define_queue({"nickname": "Q"})
    found = queries.queue_json("Q")
    for key in ("nickname", "panda_resource", "siteid", "atlas_site", "type", "state", "catchall", "maxinputsize"):
        assert key in found
    assert found["status"] == "offline"


def test_a_column_that_says_something_wins_over_the_json():
    merged = merge("Q", {"status": "online", "corecount": 0, "maxrss": 4000}, {"corecount": 8, "maxrss": 2000})
    assert (merged["corecount"], merged["maxrss"]) == (8, 4000)


def test_a_description_is_split_and_merged_back():
    name, columns, beside = split(QUEUE)
    assert name == "CERN_COMPASS"
    assert merge(name, columns, beside).items() >= {k: v for k, v in QUEUE.items() if k != "comment_"}.items()


def test_a_queue_defined_again_replaces_the_old_one(db):
    logic.define_queue(QUEUE)
    logic.define_queue({"nickname": "CERN_COMPASS", "status": "test"})
    assert queries.queue("CERN_COMPASS") == QueueData.from_wire(merge("CERN_COMPASS", {"status": "test"}, {}))
    assert SchedconfigJson.objects.get().data == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nickname": ""}, "nickname"),
        ({"nickname": "x" * 61}, "nickname"),
        ({"status": "onlin"}, "status: 'onlin'"),
        ({"corecount": "four"}, "corecount: 'four' is not a whole number"),
        ({"corecount": -1}, "corecount"),
        ({"acopytools": {"pr": "cp"}}, "acopytools.pr"),
        ({"params": 7}, "params"),
    ],
)
def test_what_pilots_could_not_read_is_refused_by_its_name(db, change, words):
    with pytest.raises(ContractError, match=words):
        logic.define_queue({**QUEUE, **change})
    assert not Schedconfig.objects.exists()


def test_unknown_queues_are_named(db):
    logic.define_queue(QUEUE)
    assert queries.unknown_queues(["CERN_COMPASS", "B", "A"]) == ["A", "B"]
    assert queries.queue_names() == ["CERN_COMPASS"]
    assert queries.queue_status("CERN_COMPASS") == "online"
    for question in (queries.queue, queries.queue_json, queries.queue_status):
        with pytest.raises(queries.UnknownQueue, match="queue 'X' is not known here"):
            question("X")


def test_storages_are_defined_and_served_together(db):
    disk = logic.define_storage("DISK", local_storage("DISK", "/data"))
    assert disk.protocols_for("pw")[0].path == "/data"
    assert set(queries.storages_json()) == {"DISK"}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("", {}, "name: ''"),
        ("x" * 53, {}, "at most|1 to 52"),
        ("DISK", [], "data: a JSON object"),
        ("DISK", {"arprotocols": {"pr": [{"endpoint": "nowhere", "path": "/x"}]}}, "DISK.arprotocols.pr"),
    ],
)
def test_a_storage_that_pilots_could_not_read_is_refused(db, name, data, words):
    with pytest.raises(ContractError, match=words):
        logic.define_storage(name, data)
    assert not StorageEndpoint.objects.exists()
