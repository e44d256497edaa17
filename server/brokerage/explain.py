"""Everything that brokerage says of a job and its queues, or of a pilot and its queue's jobs, as people are told it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from server.brokerage.choose import Verdict, explain_choice, judge_all
from server.brokerage.order import Bucket, Offer, Standing, order
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


def pilot_explanation(
    buckets: Sequence[Bucket], offer: Offer, standing: Standing, queued: Mapping[int, int]
) -> dict[str, Any]:
    """Tell which kinds of queued jobs a pilot may be given, in the order in which it is, and why no others.

    Args:
        buckets: All kinds of jobs of its queue.
        offer: What the pilot has.
        standing: How the shares stand.
        queued: How many jobs are queued of each kind that has any.
    """
    waiting = {bucket.pk: bucket for bucket in buckets if queued.get(bucket.pk)}
    ranking = order(list(waiting.values()), offer, standing)
    words = [""] * len(ranking.fitting) + list(ranking.refused.values())
    kinds = [
        _told_kind(waiting[pk], queued[pk], standing, why)
        for pk, why in zip([*ranking.fitting, *ranking.refused], words, strict=True)
    ]
    fitting = sum(queued[pk] for pk in ranking.fitting)
    return {
        "kinds": kinds,
        "queued": sum(queued[pk] for pk in waiting),
        "fitting": fitting,
        "without_jobs": len(buckets) - len(waiting),
        "words": _summary(kinds, fitting),
    }


def _told_kind(bucket: Bucket, queued: int, standing: Standing, why_not: str) -> dict[str, Any]:
    names = ("label", "share", "working_group", "country", "cores", "memory", "disk", "walltime")
    said = {name: getattr(bucket, name) for name in names}
    running = standing.running.of(bucket.share) if standing.targets else None
    return {**said, "queued": queued, "running_cores": running, "fits": not why_not, "words": why_not}


def _summary(kinds: Sequence[Mapping[str, Any]], fitting: int) -> str:
    if not kinds:
        return "no job is queued for it"
    if not fitting:
        jobs = sum(kind["queued"] for kind in kinds)
        return f"{jobs} jobs are queued for its queue, and it may have none of them: see the words of each kind"
    share = f" of share {kinds[0]['share']}" if kinds[0]["share"] else ""
    return f"it is given a job{share}: {fitting} queued jobs fit"
