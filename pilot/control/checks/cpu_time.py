"""Whether a payload uses more processor time than its job, or the slot, gives it."""

from __future__ import annotations

from typing import Any

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, Situation, Verdict
from pilot.job import Problem


def look(situation: Situation, before: Any) -> Verdict:
    """Object when all processes together, those that have ended included, have used too much."""
    settings, spec, readings = situation.settings, situation.job.spec, situation.readings
    used, most = readings.cpu_time, spec.max_cpu_time * settings.cpu_grace
    if most and used > most:
        words = f"the payload has used {used:.0f} s of processor time, it may use {most:.0f} s (maxCpuCount)"
        return Verdict(Problem(ErrorCode.CPU_TIME_EXCEEDED, words))
    slot = readings.features.cpu_limit
    spent = readings.spent_before + used
    # What the payload can use before the slot's end must be enough for storing its log.
    if slot and spent > slot - settings.slot_margin:
        words = f"the slot gives {slot:.0f} s of processor time, {spent:.0f} s of it are used (cpu_limit_secs)"
        return Verdict(Problem(ErrorCode.SIGXCPU, words), everything=True)
    return GOOD
