"""Copies side by side."""

from __future__ import annotations

import threading

import pytest

from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind
from pilot.copytool.together import Turns, each


def waiter(turns, order, name, cancel=None):
    """Ask for a turn in a thread of its own; answer when it waits."""

    def work():
        with turns.one(Deadline(30), cancel or Cancel()):
            order.append(name)

    before = len(turns._waiting)
    thread = threading.Thread(target=work)
    thread.start()
    while len(turns._waiting) == before and thread.is_alive():
        thread.join(0.001)
    return thread


def test_turns_come_in_the_order_in_which_they_were_asked_for():
    turns, order = Turns(1), []
    with turns.one(Deadline(30), Cancel()):
        threads = [waiter(turns, order, name) for name in "abc"]
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == ["a", "b", "c"]
    assert turns._free == 1


def test_as_many_are_at_it_as_there_are_turns():
    turns, order = Turns(2), []
    with turns.one(Deadline(30), Cancel()):
        waiter(turns, order, "a").join(10)
        assert order == ["a"]


def test_a_turn_that_does_not_come_in_time_is_told():
    turns = Turns(1)
    with turns.one(Deadline(30), Cancel()), pytest.raises(CopyFailed, match="1 copies at once") as caught:  # noqa: SIM117
        with turns.one(Deadline(0.01), Cancel()):
            pass
    assert caught.value.kind is FailureKind.TIMEOUT
    assert not turns._waiting
    assert turns._free == 1


def test_waiting_for_a_turn_ends_when_the_job_does():
    turns, cancel = Turns(1), Cancel()
    with turns.one(Deadline(30), Cancel()):
        threading.Timer(0.02, cancel.ask).start()
        with pytest.raises(CopyCancelled), turns.one(Deadline(30), cancel):
            pass
    assert turns._free == 1


def test_who_is_to_give_up_gets_no_turn_although_there_is_one():
    turns, cancel = Turns(1), Cancel()
    cancel.ask()
    with pytest.raises(CopyCancelled), turns.one(Deadline(30), cancel):
        pass
    assert turns._free == 1


@pytest.mark.parametrize("count", [1, 3, 50])
def test_answers_come_in_the_order_of_the_items(count):
    assert each(list(range(20)), lambda number: number * number, count) == [n * n for n in range(20)]


def test_nothing_is_done_with_no_items():
    assert each([], lambda _: 1 / 0, 4) == []


def test_items_are_done_side_by_side():
    meeting = threading.Barrier(3)
    assert each([1, 2, 3], lambda _: meeting.wait(10) >= 0, 3) == [True] * 3


def test_an_error_stops_what_has_not_begun_and_is_raised():
    done = []

    def do(number):
        if number == 2:
            raise ValueError("two")
        done.append(number)

    with pytest.raises(ValueError, match="two"):
        each(list(range(1000)), do, 2)
    assert len(done) < 1000
