"""Whether the node's disk has room left for a running job."""

from __future__ import annotations

from typing import Any

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, MB, Situation, Verdict
from pilot.job import Problem


def look(situation: Situation, before: Any) -> Verdict:
    """Object when fewer bytes than ``monitor.free_disk`` are free where the job's directory lies."""
    free, least = situation.readings.free_disk, situation.settings.free_disk
    if free is None or free >= least:
        return GOOD
    words = f"{free // MB} MB are free, a running job needs {least // MB} MB (monitor.free_disk)"
    return Verdict(Problem(ErrorCode.NO_LOCAL_SPACE, words))
