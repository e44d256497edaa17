"""Whether a job's directory has grown past what the queue gives it."""

from __future__ import annotations

from typing import Any

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, MB, Situation, Verdict
from pilot.job import Problem


def limit(situation: Situation) -> int:
    """Answer the most bytes; 0 for no limit. A job with fewer cores than the queue's gets its share."""
    settings, queue = situation.settings, situation.queue
    most = queue.max_workdir or settings.workdir_size
    share, grace = min(1.0, situation.job.spec.cores / queue.cores), queue.grace("pilot_maxwdir_grace")
    return round(most * share * (settings.workdir_grace if grace is None else grace))


def look(situation: Situation, before: Any) -> Verdict:
    """Object to a directory that is too large."""
    folder, most = situation.readings.folder, limit(situation)
    if not most or folder is None or folder.size <= most:
        return GOOD
    words = f"the job's directory has {folder.size // MB} MB, it may have {most // MB} MB (maxwdir of the queue)"
    return Verdict(Problem(ErrorCode.WORKDIR_TOO_LARGE, words))
