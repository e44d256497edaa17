"""What our own mover notes of its orders."""

from __future__ import annotations

import time

import pytest

from server.storage.base import Copied, Copy, CopyState
from server.storage.movers.orders import Orders

COPIES = [Copy("root://a//f", "root://b//f", 10, "adler32:0000000a"), Copy("root://a//g", "root://b//g")]


@pytest.fixture
def orders(tmp_path):
    return Orders(tmp_path)


def test_a_request_is_noted_once_with_all_that_is_known(orders):
    assert orders.add("r", COPIES)
    assert not orders.add("r", COPIES[:1])
    assert [order.copy for order in orders.orders("r")] == COPIES
    assert len(list(orders.folder.iterdir())) == 1


@pytest.mark.parametrize("request_name", ["a/b", "..", ".", "µ %2F", "x" * 200])
def test_any_word_is_a_requests_number(orders, request_name):
    assert orders.add(request_name, COPIES)
    assert len(orders.orders(request_name)) == 2
    assert {order.request for order in orders.all_open()} == {request_name}
    assert not orders.add(request_name, COPIES)


def test_names_aside_are_those_of_one_copy_and_the_same_at_each_try(orders):
    orders.add("r", COPIES)
    orders.add("s", COPIES)
    names = [order.aside for request in "rs" for order in orders.orders(request)]
    assert len(set(names)) == 4
    assert names[0].startswith("root://b//f.part-")
    assert names[:2] == [order.aside for order in Orders(orders.folder).orders("r")]


def test_how_far_a_copy_is_is_remembered(orders):
    orders.add("r", COPIES)
    first, second = orders.orders("r")
    orders.note(first, Copied(CopyState.FAILED, 5, "words", None))
    assert orders.state(first) == Copied(CopyState.FAILED, 5, "words")
    assert orders.state(second) == Copied(CopyState.QUEUED)
    assert list(orders.all_open()) == [second]


def test_what_is_given_up_is_known(orders):
    orders.add("r", COPIES)
    orders.give_up("r")
    orders.give_up("never-made")
    assert orders.is_given_up("r")
    assert not orders.is_given_up("never-made")


def test_only_what_has_ended_is_forgotten(orders):
    orders.add("ended", COPIES[:1])
    orders.add("open", COPIES[:1])
    (order,) = orders.orders("ended")
    orders.note(order, Copied(CopyState.DONE))
    orders.forget_before(time.time() + 10)
    assert orders.orders("ended") == []
    assert len(orders.orders("open")) == 1
    orders.note(order, Copied(CopyState.DONE))
    assert orders.orders("ended") == []


def test_what_a_power_failure_has_left_empty_keeps_nobody_else(orders):
    orders.add("r", COPIES[:1])
    orders.add("s", COPIES[:1])
    (first,) = orders.orders("r")
    orders.note(first, Copied(CopyState.ACTIVE))
    for file in (orders.folder / "requests/r").iterdir():
        file.write_text("")
    assert [order.request for order in orders.all_open()] == ["s"]
    assert orders.add("r", COPIES[:1])
    assert orders.orders("r") == [first]
    assert not orders.add("r", COPIES)
    assert {order.request for order in orders.all_open()} == {"r", "s"}


def test_what_cannot_be_noted_does_not_look_as_if_it_was(orders):
    with pytest.raises(OSError, match="too long"):
        orders.add("x" * 300, COPIES)
    assert [path.name for path in orders.folder.iterdir()] == ["requests"]


def test_what_somebody_who_was_killed_had_half_noted_is_forgotten(orders):
    (orders.folder / "new-1").mkdir()
    orders.forget_before(time.time() - 10)
    assert (orders.folder / "new-1").exists()
    orders.forget_before(time.time() + 10)
    assert not (orders.folder / "new-1").exists()
