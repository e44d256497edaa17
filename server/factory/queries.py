"""Reading the factory: what it last decided for each queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.factory.models import FactoryCycle, FactoryQueue


@dataclass(frozen=True)
class Decision:
    """The last decision for a queue: how many pilots, and the rule that had the last word on it."""

    queue: str
    enabled: bool
    at: datetime | None
    number: int
    reason: str


def decisions() -> list[Decision]:
    """Answer the last decision for each queue of the factory."""
    return [_decision(row, row.cycles.order_by("-id").first()) for row in FactoryQueue.objects.all()]


def _decision(row: FactoryQueue, last: FactoryCycle | None) -> Decision:
    if last is None:
        return Decision(row.queue, row.enabled, None, 0, "no cycle yet")
    return Decision(row.queue, row.enabled, last.latest, last.number, last.words or reason_of(last.trace))


def reason_of(trace: list[dict[str, object]]) -> str:
    """Answer the reason of the rule that brought the number to what it is: the last one that changed it."""
    reason, before = "", None
    for step in trace:
        if step["number"] != before:
            reason = str(step["reason"])
        before = step["number"]
    return reason
