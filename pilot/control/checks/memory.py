"""Whether a payload takes more memory than it may. What its processes share counts once (proportional set size)."""

from __future__ import annotations

from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, MB, Situation, Verdict
from pilot.job import Problem

#: The words of ``monitor.memory_limit``, in the order in which the first that is known counts.
SLOT, TYPE, QUEUE, JOB = "slot", "resource_type", "queue", "job"
FIRST, NOBODY = "first", "none"


def limits(situation: Situation) -> dict[str, int]:
    """Answer every limit that somebody has set, in bytes: the slot's, the resource type's, the queue's, the job's."""
    known = {
        SLOT: situation.readings.features.memory or 0,
        TYPE: _of_type(situation),
        QUEUE: _of_queue(situation),
        JOB: situation.job.spec.memory,
    }
    return {whose: size for whose, size in known.items() if size > 0}


def _of_queue(situation: Situation) -> int:
    """Answer the queue's memory. It is for all cores of its slots; a job with fewer gets its share."""
    spec, queue = situation.job.spec, situation.queue
    return round(queue.memory * min(1.0, spec.cores / queue.cores))


def _of_type(situation: Situation) -> int:
    """Answer what the job's resource type gives its cores.

    A type without a bound, as those for very much memory (VHIMEM), gives what the queue has for them.
    """
    found = situation.readings.resource_type
    if found is None:
        return 0
    return found.most_memory * situation.job.spec.cores if found.most_memory else _of_queue(situation)


def asks_for_type(situation: Situation) -> bool:
    """Say whether what the job's resource type gives is needed: the job has one, and no other limit goes before it."""
    asked = situation.settings.memory_limit
    wanted = asked == TYPE or (asked == FIRST and not situation.readings.features.memory)
    return wanted and bool(situation.job.spec.resource_type)


def limit(situation: Situation) -> tuple[float, str]:
    """Answer the bytes above which a job is ended, and whose limit that is; infinite when there is none.

    Where resource types count and the job's is not known, its own memory does.
    """
    asked, known = situation.settings.memory_limit, limits(situation)
    if asked == FIRST:
        asked = next(iter(known), NOBODY)
    elif asked == TYPE and TYPE not in known:
        asked = JOB
    if asked not in known:
        return float("inf"), ""
    return known[asked] * grace(situation), asked


def grace(situation: Situation) -> float:
    """Answer by how much a limit may be passed: what the queue says (``pilot_rss_grace``), else the setting."""
    said = situation.queue.grace("pilot_rss_grace")
    return situation.settings.memory_grace if said is None else said


_NAMES = {SLOT: "the slot's", TYPE: "its resource type's", QUEUE: "the queue's", JOB: "the job's"}


def look(situation: Situation, before: Optional[float]) -> Verdict:
    """Object when the limit is passed at two looks in a row, or at one by the factor ``monitor.memory_hard``."""
    sample = situation.readings.sample
    most, whose = limit(situation)
    if sample is None or sample.memory.pss <= most:
        return GOOD
    if not sample.measured:  # worked out from what was shared before; too little to end a job for
        return Verdict(memory=before)
    used = sample.memory.pss
    words = f"the payload takes {used // MB} MB, it may take {most / MB:.0f} MB ({_NAMES[whose]} limit and its grace)"
    if before is None and used <= most * situation.settings.memory_hard:
        return Verdict(memory=used, warning=f"{words}; it is ended if it still does at the next look")
    return Verdict(Problem(ErrorCode.PAYLOAD_EXCEEDED_MEMORY, words), memory=used)
