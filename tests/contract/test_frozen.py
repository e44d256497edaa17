from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any

import pytest

from pilot.contract.frozen import Frozen


class Cup(Frozen):
    """A cup."""

    size: int
    colour: str = "white"
    marks: Mapping[str, Any] = field(default_factory=dict)


class Mug(Cup):
    """A cup with a handle."""

    handle: str = ""


@dataclass(frozen=True)
class Plain:
    """What `Cup` has to be like."""

    size: int
    colour: str = "white"
    marks: Mapping[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize("given", [(3,), (3, "red"), (3, "red", {"a": 1})])
def test_values_are_given_in_order_or_by_name_and_else_as_declared(given):
    named = dict(zip(("size", "colour", "marks"), given))
    assert asdict(Cup(*given)) == asdict(Cup(**named)) == asdict(Plain(*given))
    assert list(vars(Cup(**dict(reversed(named.items()))))) == ["size", "colour", "marks"]


def test_each_value_has_a_default_of_its_own_where_one_is_made():
    assert Cup(1).marks == {}
    assert Cup(1).marks is not Cup(1).marks


@pytest.mark.parametrize(
    ("given", "named", "words"),
    [
        ((), {}, "Cup needs size"),
        ((1,), {"shape": "round", "lid": 1}, "Cup has no lid, shape"),
        ((1, "red", {}, 4), {}, "Cup has no 4 fields"),
        ((1,), {"size": 2}, "Cup is given twice size"),
    ],
)
def test_what_does_not_fit_is_refused(given, named, words):
    with pytest.raises(TypeError, match=words):
        Cup(*given, **named)


def test_values_are_equal_when_they_are_of_one_class_and_hold_the_same():
    assert Cup(1) == Cup(1)
    assert Cup(1) != Cup(2)
    assert Cup(1) != Plain(1)
    assert Cup(1) != Mug(1)


def test_equal_values_are_one_key():
    assert {Cup(1, marks=()): "a"}[Cup(1, marks=())] == "a"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Cup(1))  # holds a dict, as a dataclass would


def test_nothing_of_a_value_can_be_changed():
    cup = Cup(1)
    with pytest.raises(FrozenInstanceError):
        cup.size = 2
    with pytest.raises(FrozenInstanceError):
        del cup.size
    assert cup.size == 1


def test_a_value_is_written_as_a_dataclass_is():
    assert repr(Cup(1, marks={"a": 2})) == repr(Plain(1, marks={"a": 2})).replace("Plain", "Cup")


def test_dataclasses_know_it():
    assert is_dataclass(Cup)
    assert [(one.name, one.type, one.default) for one in fields(Cup)] == [
        (one.name, one.type, one.default) for one in fields(Plain)
    ]
    assert replace(Cup(1), colour="red") == Cup(1, "red")


def test_an_heir_has_the_fields_of_both():
    assert [one.name for one in fields(Mug)] == ["size", "colour", "marks", "handle"]
    assert asdict(Mug(1, handle="left")) == {"size": 1, "colour": "white", "marks": {}, "handle": "left"}


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_are_equal(again):
    assert again(Cup(1, marks={"a": 1})) == Cup(1, marks={"a": 1})


def test_nothing_is_found_out_about_a_class_before_it_is_needed():
    class Jug(Frozen):
        """Not used yet."""

        marks: Mapping[str, Any] = field(default_factory=dict)

    assert "marks" in vars(Jug)
    assert asdict(Jug()) == {"marks": {}}
    assert "marks" not in vars(Jug)  # as `dataclass` leaves it


def test_threads_that_need_a_class_first_at_the_same_time_find_the_same():
    for _ in range(20):

        class Jug(Frozen):
            """New each time."""

            size: int
            marks: Mapping[str, Any] = field(default_factory=dict)

        found, ready = [], threading.Barrier(4)

        def use(kind=Jug, found=found, ready=ready):
            ready.wait(10)
            found.append(kind(1))

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert found == [Jug(1)] * 4
