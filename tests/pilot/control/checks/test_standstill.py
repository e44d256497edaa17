from __future__ import annotations

import pytest

from pilot.control.checks.base import Standstill
from pilot.control.checks.standstill import Clocks, clocks, compare, look
from tests.pilot.control.checks.situations import situation

BEFORE = Clocks(running=1000.0, since_boot=5000.0, wall=1e9)


@pytest.mark.parametrize(
    ("ran", "passed", "wall", "found"),
    [
        (60, 60, 60, Standstill()),
        (500, 500, 500, Standstill()),  # a machine with much to do
        (7260, 7260, 7260, Standstill(paused=7200.0)),  # SIGSTOP, or a frozen cgroup
        (60, 7260, 7260, Standstill(suspended=7200.0)),  # the machine slept
        (60, 60, 3660, Standstill(jumped=3600.0)),  # somebody has put the clock
        (60, 60, -3540, Standstill(jumped=-3600.0)),
        (0, 0, 0, Standstill()),  # the first look
    ],
)
def test_three_clocks_tell_what_lay_between_two_looks(ran, passed, wall, found):
    now = Clocks(BEFORE.running + ran, BEFORE.since_boot + passed, BEFORE.wall + wall)
    assert compare(BEFORE, now, expected=60.0, least=600.0) == found


def test_the_log_is_told():
    words = look(situation(standstill=Standstill(7200.0, 60.0, -3600.0)), None).warning
    assert words == (
        "the pilot was stopped for 7200 s; the machine was suspended for 60 s; the clock was put forward by -3600 s"
    )
    assert look(situation(), None).warning == ""


def test_this_machines_clocks_can_be_read():
    now = clocks()
    assert now.since_boot >= now.running > 0
    assert compare(now, clocks(), 0.0, 5.0) == Standstill()
