from __future__ import annotations

import json

import pytest

from pilot.contract.codec import ContractError
from pilot.contract.resource_types import ResourceType, read_resource_types

MIB = 2**20
SCORE = {"resource_name": "SCORE", "mincore": 1, "maxcore": 1, "minrampercore": None, "maxrampercore": 2000}
VHIMEM = {"resource_name": "SCORE_VHIMEM", "mincore": 1, "maxcore": 1, "minrampercore": 4001, "maxrampercore": None}
BOTH = [SCORE, VHIMEM]
READ = {
    "SCORE": ResourceType("SCORE", 1, 1, 0, 2000 * MIB),
    "SCORE_VHIMEM": ResourceType("SCORE_VHIMEM", 1, 1, 4001 * MIB, 0),
}


@pytest.mark.parametrize(
    "said",
    [BOTH, {"ResourceTypes": BOTH}, json.dumps(BOTH), repr(BOTH), repr({"ResourceTypes": BOTH}), tuple(BOTH)],
    ids=["list", "inside", "json", "python", "python-inside", "tuple"],
)
def test_peer_defect_23_every_dress_of_the_list_is_understood(said):
    """PanDA's pilot drops the bare list."""
    assert read_resource_types(said) == READ


def test_bounds_may_be_text_and_those_that_say_nothing_bound_nothing():
    (found,) = read_resource_types([{"resource_name": "X", "maxrampercore": "1500", "mincore": "NULL"}]).values()
    assert found == ResourceType("X", most_memory=1500 * MIB)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, "None is no list"),
        ("__import__('os')", "is no list"),
        ("[[[" * 500, "is no list"),
        ({"other": []}, "is no list"),
        ([7], r"ResourceTypes\[0\]: 7"),
        ([{"maxcore": 1}], r"ResourceTypes\[0\].resource_name: missing"),
        ([{"resource_name": "X", "maxrampercore": "much"}], r"\[0\].maxrampercore: 'much' is not a whole number"),
    ],
)
def test_what_is_no_such_list_is_refused_by_name(said, words):
    with pytest.raises(ContractError, match=words):
        read_resource_types(said)
