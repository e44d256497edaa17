"""What the number of jobs of a task is decided from, and what a decision is made of: all of them values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TaskFacts:
    """What is known of one task.

    ``staged`` chunks have their input and no job, ``defined`` ones wait for it. ``sent`` jobs are queued, or a
    pilot has them and has not begun; ``running`` ones run. ``finished`` and ``failed`` count its latest ends, as far as
    they are not too old, ``failed_since`` those that failed since the last one that did not. ``succeeded``: some job of
    it ever finished.
    ``most`` is how many jobs it may send in one cycle. ``ahead``: jobs that wait in its queue and go before its own, or
    with them; ``None``: all that wait there.
    """

    task: int
    queue: str
    priority: int
    most: int
    staged: int = 0
    defined: int = 0
    sent: int = 0
    running: int = 0
    succeeded: bool = False
    finished: int = 0
    failed: int = 0
    failed_since: int = 0
    ahead: int | None = None

    @property
    def in_flight(self) -> int:
        """Answer how many jobs of it have no end yet."""
        return self.sent + self.running


@dataclass(frozen=True)
class QueueFacts:
    """What is known of one queue.

    ``slots`` is how many jobs it may run at a time (0: nobody says). Of its last ``ended`` attempts, ``failed`` failed
    by no fault of their payloads. ``most`` is how many jobs may wait in it.
    """

    most: int
    queued: int = 0
    running: int = 0
    slots: int = 0
    ended: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Bounds:
    """The numbers of the rules; shares are percent. See `server.production.limits` for what each is."""

    probe_jobs: int = 10
    failing_jobs: int = 5
    failing_probes: int = 2
    failure_percent: int = 50
    results_needed: int = 20
    queue_floor: int = 200
    queue_fill: int = 3


@dataclass(frozen=True)
class Step:
    """What one rule made of the number before it, and why."""

    rule: str
    number: int
    reason: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


Decisions = Mapping[int, Sequence[Step]]
"""The steps of each task, by its number; the last one's is how many of its jobs are submitted."""
