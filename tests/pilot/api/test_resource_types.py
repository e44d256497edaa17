from __future__ import annotations

import json
import logging

import pytest

from pilot.api.replies import BadAnswer, Refused, ServerBroke, Unreachable
from pilot.api.resource_types import AGAIN, KnownTypes, ResourceTypeDoor, known_types
from pilot.contract import routes
from pilot.contract.resource_types import ResourceType
from pilot.settings import Server
from tests.pilot.dispatcher import serving

MIB = 2**20
TYPES = [{"resource_name": "MCORE", "mincore": 2, "maxcore": None, "minrampercore": None, "maxrampercore": 2000}]
MCORE = ResourceType("MCORE", least_cores=2, most_memory=2000 * MIB)


@pytest.fixture
def dispatcher(tmp_path):
    with serving(tmp_path) as found:
        yield found


def door(dispatcher, dialect="auto"):
    return ResourceTypeDoor(Server(url=dispatcher.url, dialect=dialect))


def answering(dispatcher, path, answer, status=200):
    dispatcher.misbehave = lambda asked, count: (status, json.dumps(answer).encode()) if asked == path else None


def test_the_list_is_had_in_the_newer_dialect(dispatcher):
    answering(dispatcher, routes.RESOURCE_TYPES_V1, {"success": True, "message": "", "data": TYPES})
    assert door(dispatcher).resource_types() == {"MCORE": MCORE}


@pytest.mark.parametrize("told", [TYPES, repr(TYPES), {"ResourceTypes": TYPES}], ids=["list", "python", "inside"])
@pytest.mark.parametrize("dialect", ["auto", "legacy"])
def test_the_list_is_had_in_the_older_dialect_in_any_dress__peer_defect_23(dispatcher, dialect, told):
    answering(dispatcher, routes.RESOURCE_TYPES, {"StatusCode": 0, "ResourceTypes": told})
    assert door(dispatcher, dialect).resource_types() == {"MCORE": MCORE}


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (200, {"StatusCode": 30, "errorDialog": "no"}, Refused),
        (200, {"StatusCode": 0}, BadAnswer),
        (200, ["what"], BadAnswer),
        (500, {}, ServerBroke),
    ],
)
def test_what_is_no_list_has_a_type_of_its_own(dispatcher, status, answer, error):
    answering(dispatcher, routes.RESOURCE_TYPES, answer, status)
    with pytest.raises(error):
        door(dispatcher, "legacy").resource_types()


def test_nobody_is_asked_before_the_first_question_nor_twice(dispatcher):
    answering(dispatcher, routes.RESOURCE_TYPES_V1, {"success": True, "message": "", "data": TYPES})
    known = known_types(Server(url=dispatcher.url), str)
    assert known.of("") is None
    assert dispatcher.counts == {}
    assert known.of("MCORE") == known.of("MCORE") == MCORE
    assert dispatcher.counts == {routes.RESOURCE_TYPES_V1: 1}


def test_without_a_server_no_type_is_known():
    assert known_types(Server(), str).of("MCORE") is None


def test_what_could_not_be_had_is_asked_for_again_after_a_while(caplog):
    clock, answers = [0.0], [Unreachable("away"), {}, {"MCORE": MCORE}]

    def fetch():
        found = answers.pop(0)
        if isinstance(found, Unreachable):
            raise found
        return found

    known = KnownTypes(fetch, lambda: clock[0])
    with caplog.at_level(logging.WARNING):
        assert known.of("MCORE") is None
        assert known.of("MCORE") is None
        clock[0] = AGAIN
        assert known.of("MCORE") is None
        clock[0] = 2 * AGAIN
        assert known.of("MCORE") == MCORE
    assert [record.getMessage() for record in caplog.records] == [
        "resource types: COMMUNICATION_FAILURE (1318): away; the limits of queue and job are used",
        "resource types: the server has none named MCORE",
    ]
