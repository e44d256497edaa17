from __future__ import annotations

from pilot.control.news import Due, Matter
from pilot.control.timers import Timers

FIRST, SECOND = Due(Matter.ASK), Due(Matter.CHECK, (1, 1))


def test_what_is_due_comes_in_the_order_of_its_time():
    timers = Timers()
    timers.set(2.0, SECOND)
    timers.set(1.0, FIRST)
    assert timers.next() == 1.0
    assert [timers.due(3.0), timers.due(3.0), timers.due(3.0)] == [FIRST, SECOND, None]


def test_what_was_set_for_one_moment_comes_in_the_order_it_was_set_in():
    timers = Timers()
    for news in (SECOND, FIRST, SECOND):
        timers.set(1.0, news)
    assert [timers.due(1.0) for _ in range(3)] == [SECOND, FIRST, SECOND]


def test_nothing_is_due_before_its_time():
    timers = Timers()
    timers.set(1.0, FIRST)
    assert timers.due(0.999) is None


def test_nothing_set_is_never():
    assert Timers().next() is None
