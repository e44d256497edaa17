"""What a pilot is, from its order to its end, and what a Harvester's worker is; and the moves between these."""

from __future__ import annotations

from django.db import models


class PilotState(models.TextChoices):
    SUBMITTED = "submitted", "submitted"
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    HELD = "held", "held"
    DONE = "done", "done"
    LOST = "lost", "lost"


_S = PilotState

#: It will run, or runs.
LIVING = frozenset({_S.SUBMITTED, _S.QUEUED, _S.RUNNING, _S.HELD})
#: It has no slot yet.
WAITING = frozenset({_S.SUBMITTED, _S.QUEUED, _S.HELD})

MOVES = frozenset(
    {
        (_S.SUBMITTED, _S.QUEUED),
        (_S.SUBMITTED, _S.RUNNING),
        (_S.SUBMITTED, _S.HELD),
        (_S.SUBMITTED, _S.DONE),
        (_S.SUBMITTED, _S.LOST),
        (_S.QUEUED, _S.RUNNING),
        (_S.QUEUED, _S.HELD),
        (_S.QUEUED, _S.DONE),
        (_S.QUEUED, _S.LOST),
        # Some batch systems start a job again on another node.
        (_S.RUNNING, _S.QUEUED),
        (_S.RUNNING, _S.HELD),
        (_S.RUNNING, _S.DONE),
        (_S.RUNNING, _S.LOST),
        (_S.HELD, _S.QUEUED),
        (_S.HELD, _S.RUNNING),
        (_S.HELD, _S.DONE),
        (_S.HELD, _S.LOST),
    }
)


class WorkerState(models.TextChoices):
    STARTED = "started", "started"
    FINISHED = "finished", "finished"


WORKER_MOVES = frozenset({(WorkerState.STARTED, WorkerState.FINISHED)})
