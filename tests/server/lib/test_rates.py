"""How often somebody may call."""

from __future__ import annotations

import pytest

from server.lib import rates
from server.lib.rates import BURST, Rates


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_who_was_quiet_may_call_often_and_then_at_the_rate(clock):
    limit = Rates(clock)
    assert [limit.take("a", 2.0) for _ in range(int(2 * BURST))] == [0.0] * int(2 * BURST)
    assert limit.take("a", 2.0) == pytest.approx(0.5)
    clock.now += 0.5
    assert limit.take("a", 2.0) == 0.0
    assert limit.take("a", 2.0) == pytest.approx(0.5)


def test_one_callers_calls_are_not_anothers(clock):
    limit = Rates(clock)
    while not limit.take("a", 1.0):
        pass
    assert limit.take("b", 1.0) == 0.0


def test_without_a_rate_there_is_no_limit(clock):
    limit = Rates(clock)
    assert {limit.take("a", 0) for _ in range(1000)} == {0.0}


@pytest.fixture
def small(clock, monkeypatch):
    monkeypatch.setattr(rates, "MOST", 3)
    return Rates(clock)


def exhaust(limit, caller):
    while not limit.take(caller, 1.0):
        pass


def test_not_more_callers_are_known_than_there_is_room_for(small):
    for name in "abcdefg":
        small.take(name, 1.0)
    assert list(small._left) == ["e", "f", "g"]


def test_strangers_who_fill_the_table_free_nobody_who_goes_on_calling(small):
    exhaust(small, "a")
    for stranger in range(20):
        small.take(f"stranger {stranger}", 1.0)
        assert small.take("a", 1.0) > 0.0  # refused, and yet not forgotten
    assert len(small._left) == 3


def test_who_has_been_quiet_longest_is_forgotten_first(small):
    for name in "abc":
        exhaust(small, name)
    small.take("d", 1.0)
    assert [small.wait_of(name, 1.0) > 0.0 for name in "abc"] == [False, True, True]


def test_a_refused_call_costs_nothing(small, clock):
    exhaust(small, "a")
    waits = []
    for _ in range(4):
        clock.now += 0.25
        waits.append(small.take("a", 1.0))
    assert waits == [0.75, 0.5, 0.25, 0.0]


def test_whoever_is_forgotten_begins_anew(clock):
    limit = Rates(clock)
    while not limit.take("a", 1.0):
        pass
    limit.forget()
    assert limit.take("a", 1.0) == 0.0
