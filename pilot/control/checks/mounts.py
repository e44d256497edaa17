"""Whether file systems that a job lives on, CVMFS above all, still answer."""

from __future__ import annotations

from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.control.checks.base import Situation, Verdict
from pilot.control.requirements import software_folder
from pilot.job import Problem

CVMFS = "/cvmfs/"


def wanted(named: tuple[str, ...], queue: QueueData) -> tuple[str, ...]:
    """Answer the paths that have to answer: those of the settings, and the repository of the queue's software."""
    folder = software_folder(queue)
    repository = "/".join(folder.split("/")[:3]) if folder.startswith(CVMFS) else CVMFS
    return tuple(dict.fromkeys((*named, *(() if repository == CVMFS else (repository,)))))


def look(situation: Situation, gone: Optional[bool]) -> Verdict:
    """Object when one does not answer at two looks in a row: a client that restarts takes a while."""
    lost = [f"{path}: {words}" for path, words in situation.readings.mounts.items() if words]
    if not lost:
        return Verdict(memory=False)
    if gone:
        return Verdict(Problem(ErrorCode.CVMFS_NOT_ALIVE, "; ".join(lost)), memory=True)
    return Verdict(memory=True, warning="; ".join(lost))
