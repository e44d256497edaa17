"""Arguments are bound as they are declared, and refused by their names."""

from __future__ import annotations

import pytest

from pilot.contract.codec import INTEGER, TEXT, TRUTH, ContractError, Dialect, WrongKind
from pilot.contract.worker import WorkerStatus
from server.lib.arguments import OBJECTS, TIMEOUT, Argument, arguments_of, bind

NUMBERS = Argument("numbers", INTEGER, "Numbers.", most=3)
NAME = Argument("name", TEXT, "A name.", "nobody")
ON = Argument("on", TRUTH, "A switch.")
ALL = (NUMBERS, NAME, ON)


def test_values_are_read_by_their_kinds_and_the_rest_has_its_default():
    assert bind(ALL, {"numbers": ["1", 2.0], "on": "1"}) == {"numbers": [1, 2], "name": "nobody", "on": True}


def test_one_value_is_a_list_of_one():
    assert bind((NUMBERS,), {"numbers": 7}) == {"numbers": [7]}


@pytest.mark.parametrize("nothing", [None, "", "None", "NULL"])
def test_what_says_nothing_is_not_there(nothing):
    assert bind((NAME,), {"name": nothing}) == {"name": "nobody"}
    with pytest.raises(ContractError, match="on: missing; true or false is expected"):
        bind((ON,), {"on": nothing})


@pytest.mark.parametrize(
    ("fields", "words", "kind"),
    [
        ({"numbers": 1, "on": "1", "color": 1}, "unexpected argument 'color'; there are name, numbers, on", False),
        ({"on": "1"}, "numbers: missing; a list of whole numbers is expected", False),
        ({"numbers": [1, 2, 3, 4], "on": "1"}, "numbers: 4 values; at most 3", False),
        ({"numbers": [1, "x"], "on": "1"}, "numbers: 'x' is not a whole number", True),
        ({"numbers": [None], "on": "1"}, "numbers: None is not a whole number", True),
        ({"numbers": 1, "on": "perhaps"}, "on: 'perhaps' is not true or false", True),
    ],
)
def test_a_slip_is_named_and_a_wrong_kind_told_apart(fields, words, kind):
    with pytest.raises(ContractError, match=words) as caught:
        bind(ALL, fields)
    assert isinstance(caught.value, WrongKind) is kind


@pytest.mark.parametrize("raw", [[{"a": 1}], '[{"a": 1}]'])
def test_objects_come_as_they_are_or_as_text(raw):
    assert bind((Argument("jobs", OBJECTS, "Jobs."),), {"jobs": raw}) == {"jobs": [{"a": 1}]}


@pytest.mark.parametrize("raw", ["[", "7", 7, [7], {"a": 1}])
def test_what_is_no_list_of_objects_is_refused(raw):
    with pytest.raises(WrongKind, match="jobs: .* is not a list of objects"):
        bind((Argument("jobs", OBJECTS, "Jobs."),), {"jobs": raw})


def test_a_message_gives_its_fields_of_the_newer_dialect():
    names = {name: f"The {name}." for name in ("worker_id", "harvester_id", "status", "node_id", "batch_id")}
    found = arguments_of(WorkerStatus, names, TIMEOUT)
    assert [argument.name for argument in found] == [*names, "timeout"]
    assert [argument.required for argument in found] == [True, True, True, False, False, False]
    assert WorkerStatus.__dataclass_fields__["queue"].metadata["names"][Dialect.V1] == ""
