"""Whether the node's disk has room left for a running job."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.job import Problem
from pilot.site.node import free_disk


def check(folder: Path, least: int) -> Optional[Problem]:
    """Object when fewer than ``least`` bytes are free where ``folder`` lies."""
    free = free_disk(folder)
    if free >= least:
        return None
    words = f"{free // 10**6} MB are free, a running job needs {least // 10**6} MB (monitor.free_disk): {folder}"
    return Problem(ErrorCode.NO_LOCAL_SPACE, words)
