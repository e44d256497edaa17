"""Whether the machine, or this pilot, stood still between two looks, and whether somebody has put the clock."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from pilot.control.checks.base import GOOD, Situation, Standstill, Verdict


class Clocks(NamedTuple):
    """Three clocks, in seconds: one stops while the machine is suspended, one does not, one is put now and then."""

    running: float
    since_boot: float
    wall: float


def clocks() -> Clocks:
    """Read all three."""
    return Clocks(time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


def compare(before: Clocks, now: Clocks, expected: float, least: float) -> Standstill:
    """Answer what lay between two looks that should be ``expected`` seconds apart.

    A suspended machine shows in the difference of two clocks. A pilot that was stopped (SIGSTOP, a frozen cgroup)
    comes late to its look. Less than ``least`` seconds are what a loaded machine may take.
    """
    ran, passed = now.running - before.running, now.since_boot - before.since_boot
    parts = (ran - expected, passed - ran, now.wall - before.wall - passed)
    late, suspended, jumped = (seconds if abs(seconds) > least else 0.0 for seconds in parts)
    return Standstill(max(0.0, late), suspended, jumped)


def look(situation: Situation, before: Any) -> Verdict:
    """Say so in the log. On the clock that checks are given, none of it has passed."""
    found = situation.readings.standstill
    told = {
        "the pilot was stopped for {:.0f} s": found.paused,
        "the machine was suspended for {:.0f} s": found.suspended,
        "the clock was put forward by {:.0f} s": found.jumped,
    }
    warning = "; ".join(words.format(seconds) for words, seconds in told.items() if seconds)
    return Verdict(warning=warning) if warning else GOOD
