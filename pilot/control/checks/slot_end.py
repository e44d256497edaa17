"""Whether the batch system is about to take the slot back, as machine and job features announce it."""

from __future__ import annotations

from typing import Any

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, Situation, Verdict
from pilot.job import Problem


def look(situation: Situation, before: Any) -> Verdict:
    """Have every job ended while there is time to store its log and to report it."""
    end, now = situation.readings.features.end, situation.readings.now
    if end is None or end - now > situation.settings.slot_margin:
        return GOOD
    words = f"the batch system takes the slot back in {max(0.0, end - now):.0f} s (machine and job features)"
    return Verdict(Problem(ErrorCode.REACHED_MAX_TIME, words), everything=True)
