"""Whether a payload has more processes than it may, and whether it leaves dead ones lying about."""

from __future__ import annotations

from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, Situation, Verdict
from pilot.job import Problem


def look(situation: Situation, warned: Optional[bool]) -> Verdict:
    """Object to too many processes, zombies included; warn once of many zombies, which end with their parent."""
    sample, settings = situation.readings.sample, situation.settings
    if sample is None:
        return Verdict(memory=warned)
    count, zombies = len(sample.tree.processes), sample.tree.zombies
    if settings.processes and count > settings.processes:
        words = f"the payload has {count} processes, it may have {settings.processes} (monitor.processes)"
        return Verdict(Problem(ErrorCode.TOO_MANY_PROCESSES, words))
    if zombies > settings.zombies and not warned:
        return Verdict(memory=True, warning=f"{zombies} of the payload's {count} processes are zombies")
    return Verdict(memory=warned) if warned else GOOD
