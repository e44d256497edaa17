"""Whether a payload prints more than anybody will read."""

from __future__ import annotations

from typing import Any

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, MB, Situation, Verdict
from pilot.job import Problem
from pilot.runtime.workdir import STDERR, STDOUT


def look(situation: Situation, before: Any) -> Verdict:
    """Object when the payload's standard output, or its error output, is larger than ``monitor.stdout_size``."""
    most, sizes = situation.settings.stdout_size, situation.readings.sizes
    for name in (STDOUT, STDERR):
        if most and sizes.get(name, 0) > most:
            words = f"{name} has {sizes[name] // MB} MB, it may have {most // MB} MB (monitor.stdout_size)"
            return Verdict(Problem(ErrorCode.STDOUT_TOO_BIG, words))
    return GOOD
