"""Everything that brokerage says of a job and its queues, as clients and pages are told it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from server.brokerage.choose import Verdict, explain_choice, judge_all
from server.brokerage.policy import Policy
from server.brokerage.snapshot import JobNeeds, Snapshot

PARTS = ("queues", "loads", "failures", "replicas", "backlogs", "users")


def explanation(job: JobNeeds, snapshot: Snapshot, policy: Policy, queue: str = "") -> dict[str, Any]:
    """Tell what every rule says of a job and each queue, or of one queue; the best comes first.

    ``ages`` are those of the facts, in seconds; ``choice`` is among all queues, whichever are told.
    """
    verdicts = judge_all(job, snapshot, policy)
    choice = explain_choice(verdicts)
    return {
        "choice": {"queue": choice.queue, "words": choice.words, "lasting": choice.lasting},
        "queues": [_told(verdict) for verdict in verdicts if queue in ("", verdict.queue)],
        "ages": {part: round(getattr(snapshot, part).age(snapshot.now), 1) for part in PARTS},
    }


def _told(verdict: Verdict) -> dict[str, Any]:
    return {
        "queue": verdict.queue,
        "passed": verdict.passed,
        "weight": verdict.weight,
        "tags": [finding.tag for finding in verdict.refused],
        "findings": [asdict(finding) for finding in verdict.findings],
        "factors": [asdict(factor) for factor in verdict.factors],
    }
