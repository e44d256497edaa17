from __future__ import annotations

from dataclasses import replace

import pytest

from pilot.check import service
from pilot.check.finding import Level
from pilot.check.service import Contact
from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData, StorageEndpoint, local_storage
from pilot.job import Problem
from tests.pilot.dispatcher import queue_data

OK, WARN, FAIL = Level
QUEUE = QueueData.from_wire(queue_data())
STORES = {"STORE": StorageEndpoint.from_wire("STORE", local_storage("STORE", "/store"))}
BARE = StorageEndpoint("STORE", deterministic=True, protocols={})
CONTACT = Contact("http://a:1", 0.01, "v1", 0.0, None, QUEUE, None, STORES)


def judged(findings):
    return [(found.what, found.level, found.code) for found in findings]


def test_a_server_that_answers_and_knows_the_pilot_is_good():
    assert judged(service.server(CONTACT)) == [("server", OK, None), ("identity", OK, None)]
    assert "dialect v1" in next(service.server(CONTACT)).value


def test_a_server_that_refuses_the_identity_is_there_all_the_same():
    refused = replace(CONTACT, problem=Problem(ErrorCode.IDENTITY_REFUSED, "HTTP 403"))
    assert judged(service.server(refused)) == [("server", OK, None), ("identity", FAIL, ErrorCode.IDENTITY_REFUSED)]


def test_a_server_that_is_not_there_is_bad():
    gone = replace(CONTACT, problem=Problem(ErrorCode.COMMUNICATION_FAILURE, "refused"))
    assert judged(service.server(gone)) == [("server", FAIL, ErrorCode.COMMUNICATION_FAILURE)]


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("http://a:1", True),
        ("https://a:1", False),
        ("http://127.0.0.1:1", False),
        ("http://localhost:1", False),
        ("http://[::1]:1", False),
    ],
)
def test_what_is_sent_over_the_network_without_https_can_be_read(url, clear):
    assert service.in_clear(url) is clear


@pytest.mark.parametrize(
    ("skew", "level", "words"),
    [
        (None, OK, "tells no time"),
        (1.0, OK, "1 s behind"),
        (-30.0, WARN, "30 s ahead of"),
        (301.0, FAIL, "301 s behind"),
    ],
)
def test_a_clock_that_is_wrong_is_told_by_how_much_and_in_which_direction(skew, level, words):
    found = service.clock(skew)
    assert (found.level, words in found.value) == (level, True)


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({}, (OK, None)),
        ({"state": "NOTACTIVE"}, (FAIL, ErrorCode.QUEUE_NOT_ACTIVE)),
        ({"status": "offline"}, (FAIL, ErrorCode.QUEUE_NOT_ONLINE)),
        ({"status": "test"}, (OK, None)),
    ],
)
def test_a_queue_must_want_pilots(change, result):
    (found,) = service.queue(replace(CONTACT, queue=replace(QUEUE, **change)))
    assert (found.level, found.code) == result


def test_a_queue_that_nobody_knows_is_bad():
    unknown = replace(CONTACT, queue=None, queue_problem=Problem(ErrorCode.QUEUEDATA, "the server knows none"))
    assert judged(service.queue(unknown)) == [("queue", FAIL, ErrorCode.QUEUEDATA)]


def test_each_use_needs_a_copy_tool_that_the_pilot_has():
    assert [found.level for found in service.copy_tools(QUEUE, {"local": (), "mv": ()})] == [OK] * 3
    assert {found.code for found in service.copy_tools(QUEUE, {"rucio": ()})} == {ErrorCode.UNKNOWN_COPY_TOOL}
    assert {found.code for found in service.copy_tools(QueueData("Q"), {"local": ()})} == {ErrorCode.UNKNOWN_COPY_TOOL}


def test_a_copy_tool_without_its_program_is_named_and_bad_unless_there_is_another():
    queue = QueueData("Q", acopytools={"default": ("xrdcp", "local")})
    found = list(service.copy_tools(queue, {"xrdcp": ("xrdcp", "xrdfs"), "local": ()}))
    assert [one.level for one in found] == [WARN] * 3
    assert found[0].value == "xrdcp: xrdcp, xrdfs not found on the PATH"
    assert found[0].advice == "what is left is local"
    found = list(service.copy_tools(queue, {"xrdcp": ("xrdcp",)}))
    assert [(one.level, one.code) for one in found] == [(FAIL, ErrorCode.MIDDLEWARE_IMPORT)] * 3


def test_the_folders_to_be_tried_are_those_of_this_node():
    assert list(service.folders(CONTACT)) == [
        ("read_lan", "STORE", False, "/store"),
        ("write_lan", "STORE", True, "/store"),
        ("pl", "STORE", True, "/store"),
    ]
    assert not list(service.folders(replace(CONTACT, queue=None)))


def test_a_storage_that_cannot_be_written_to_is_bad_for_what_writes():
    found = service.storages(CONTACT, {("write_lan", "/store"): "may not be used"})
    assert judged(found) == [
        ("storage read_lan", OK, None),
        ("storage write_lan", FAIL, ErrorCode.STORAGE_PERMISSION),
        ("storage pl", OK, None),
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"storages": {}}, ErrorCode.NO_STORAGE),
        ({"queue": QueueData("Q")}, ErrorCode.NO_STORAGE),
        (
            {"storages": {"STORE": StorageEndpoint("STORE", deterministic=True, protocols={})}},
            ErrorCode.NO_STORAGE_PROTOCOL,
        ),
        ({"storages_problem": Problem(ErrorCode.QUEUEDATA, "x")}, ErrorCode.QUEUEDATA),
    ],
)
def test_a_storage_that_cannot_be_used_has_its_code(change, code):
    assert {found.code for found in service.storages(replace(CONTACT, **change), {})} == {code}


def test_a_storage_elsewhere_is_named_and_not_tried():
    entry = {"arprotocols": {"read_lan": [{"endpoint": "root://eos:1094", "path": "/data"}]}}
    store = {"STORE": StorageEndpoint.from_wire("STORE", entry)}
    found = next(service.storages(replace(CONTACT, storages=store), {}))
    assert (found.value, found.advice) == ("STORE: root://eos:1094/data", "not tried")
