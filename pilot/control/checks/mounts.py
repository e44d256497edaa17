"""Whether file systems that a job lives on, CVMFS above all, still answer."""

from __future__ import annotations

from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import Situation, Verdict
from pilot.job import Problem

CVMFS = "/cvmfs/"


def wanted(named: tuple[str, ...], appdir: str) -> tuple[str, ...]:
    """Answer the paths that have to answer: those of the settings, and the repository of the queue's software."""
    parts = appdir.split("/")
    ours = ("/".join(parts[:3]),) if appdir.startswith(CVMFS) and len(parts) > 2 and parts[2] else ()
    return tuple(dict.fromkeys((*named, *ours)))


def look(situation: Situation, gone: Optional[bool]) -> Verdict:
    """Object when one does not answer at two looks in a row: a client that restarts takes a while."""
    lost = [f"{path}: {words}" for path, words in situation.readings.mounts.items() if words]
    if not lost:
        return Verdict(memory=False)
    if gone:
        return Verdict(Problem(ErrorCode.CVMFS_NOT_ALIVE, "; ".join(lost)), memory=True)
    return Verdict(memory=True, warning="; ".join(lost))
