"""Whether a payload takes more memory than it may. What its processes share counts once (proportional set size)."""

from __future__ import annotations

from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import GOOD, MB, Situation, Verdict
from pilot.job import Problem


def limits(situation: Situation) -> dict[str, int]:
    """Answer every limit that somebody has set, in bytes: the slot's, the queue's, the job's own.

    The queue's is for all cores of its slots; a job with fewer gets its share.
    """
    spec, queue = situation.job.spec, situation.queue
    known = {
        "slot": situation.readings.features.memory or 0,
        "queue": round(queue.memory * min(1.0, spec.cores / queue.cores)),
        "job": spec.memory,
    }
    return {whose: size for whose, size in known.items() if size > 0}


def limit(situation: Situation) -> tuple[float, str]:
    """Answer the bytes above which a job is ended, and whose limit that is; infinite when there is none."""
    asked, known = situation.settings.memory_limit, limits(situation)
    whose = next(iter(known), "") if asked == "first" else asked
    if whose not in known:
        return float("inf"), ""
    return known[whose] * grace(situation), whose


def grace(situation: Situation) -> float:
    """Answer by how much a limit may be passed: what the queue says (``pilot_rss_grace``), else the setting."""
    said = situation.queue.params.get("pilot_rss_grace")
    return max(1.0, float(said)) if isinstance(said, (int, float)) and said else situation.settings.memory_grace


def look(situation: Situation, before: Optional[float]) -> Verdict:
    """Object when the limit is passed at two looks in a row, or at one by the factor ``monitor.memory_hard``."""
    sample = situation.readings.sample
    most, whose = limit(situation)
    if sample is None or sample.memory.pss <= most:
        return GOOD
    if not sample.measured:  # worked out from what was shared before; too little to end a job for
        return Verdict(memory=before)
    used = sample.memory.pss
    words = f"the payload takes {used // MB} MB, it may take {most / MB:.0f} MB (the {whose}'s limit and its grace)"
    if before is None and used <= most * situation.settings.memory_hard:
        return Verdict(memory=used, warning=f"{words}; it is ended if it still does at the next look")
    return Verdict(Problem(ErrorCode.PAYLOAD_EXCEEDED_MEMORY, words), memory=used)
