"""How often workers may die before the server gives up."""

from __future__ import annotations

import time

from server.manage.process import Replaced


def test_some_deaths_are_borne_however_fast_they_follow():
    replaced = Replaced(clock=lambda: 1000.0)
    replaced[0] = 999.9
    assert all(1000.0 - replaced.get(0, 0) > 5.5 for _ in range(Replaced.MOST))
    assert replaced.get(0, 0) == 1000.0


def test_what_was_long_ago_is_forgotten():
    clock = iter(range(0, 6000, 60))
    replaced = Replaced(clock=lambda: float(next(clock)))
    assert all(replaced.get(0) < 0 for _ in range(50))


def test_the_clock_is_granians_own():
    before = time.monotonic()
    replaced = Replaced()
    said = [replaced.get(0) for _ in range(Replaced.MOST + 1)]
    assert before <= said[-1] <= time.monotonic()
