"""Whether the node's disk has room left for a running job."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, MB, Situation, Verdict
from pilot.job import Problem
from pilot.site.node import free_disk


def check(folder: Path, least: int) -> Optional[Problem]:
    """Object when fewer than ``least`` bytes are free where ``folder`` lies."""
    free = free_disk(folder)
    if free >= least:
        return None
    words = f"{free // 10**6} MB are free, a running job needs {least // 10**6} MB (monitor.free_disk): {folder}"
    return Problem(ErrorCode.NO_LOCAL_SPACE, words)


def look(situation: Situation, before: Any) -> Verdict:
    """Object when fewer bytes than ``monitor.free_disk`` are free where the job's directory lies."""
    free, least = situation.readings.free_disk, situation.settings.free_disk
    if free is None or free >= least:
        return GOOD
    words = f"{free // MB} MB are free, a running job needs {least // MB} MB (monitor.free_disk)"
    return Verdict(Problem(ErrorCode.NO_LOCAL_SPACE, words))
