"""A job's states and the moves between them, as server, monitor and pilots all name them."""

from __future__ import annotations

from enum import Enum


class JobState(str, Enum):
    """The words of the PanDA tables and pages."""

    PENDING = "pending"
    DEFINED = "defined"
    ASSIGNED = "assigned"
    WAITING = "waiting"
    ACTIVATED = "activated"
    SENT = "sent"
    STARTING = "starting"
    RUNNING = "running"
    HOLDING = "holding"
    TRANSFERRING = "transferring"
    MERGING = "merging"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CLOSED = "closed"


S = JobState

#: Nothing more happens by itself. A failed job may still be retried, and any but a finished one be reset by somebody:
#: see `RETRIES` and `RESETS`.
FINAL = frozenset({S.FINISHED, S.FAILED, S.CANCELLED, S.CLOSED})

#: A pilot has the job, and owes heartbeats.
WITH_PILOT = frozenset({S.SENT, S.STARTING, S.RUNNING, S.TRANSFERRING, S.HOLDING})

#: What a pilot may say of its job. Anything else in a report is refused.
REPORTABLE = frozenset({S.STARTING, S.RUNNING, S.HOLDING, S.TRANSFERRING, S.FINISHED, S.FAILED})

_BEFORE_DISPATCH = {
    (S.PENDING, S.DEFINED),
    (S.PENDING, S.WAITING),
    (S.PENDING, S.ASSIGNED),
    (S.PENDING, S.ACTIVATED),
    (S.WAITING, S.DEFINED),
    (S.WAITING, S.ASSIGNED),
    (S.WAITING, S.ACTIVATED),
    (S.DEFINED, S.WAITING),
    (S.DEFINED, S.ASSIGNED),
    (S.DEFINED, S.ACTIVATED),
    (S.ASSIGNED, S.DEFINED),
    (S.ASSIGNED, S.WAITING),
    (S.ASSIGNED, S.ACTIVATED),
    # A queue went offline, or an input was lost: the job is placed again.
    (S.ACTIVATED, S.DEFINED),
    (S.ACTIVATED, S.ASSIGNED),
    (S.ACTIVATED, S.SENT),
}

# A report may overtake another one on the network, or be the first that arrives at all.
_BY_PILOT = {
    (before, after)
    for before, afters in {
        S.SENT: (S.STARTING, S.RUNNING, S.HOLDING, S.TRANSFERRING, S.FINISHED, S.FAILED),
        S.STARTING: (S.RUNNING, S.HOLDING, S.TRANSFERRING, S.FINISHED, S.FAILED),
        S.RUNNING: (S.HOLDING, S.TRANSFERRING, S.FINISHED, S.FAILED),
        S.TRANSFERRING: (S.HOLDING, S.FINISHED, S.FAILED),
        # A job that is held is not being stored any more: such a report was overtaken, as PanDA has it.
        S.HOLDING: (S.FINISHED, S.FAILED),
    }.items()
    for after in afters
}

_AFTER_REPORT = {
    (S.HOLDING, S.MERGING),
    (S.TRANSFERRING, S.MERGING),
    (S.MERGING, S.FINISHED),
    (S.MERGING, S.FAILED),
}

#: The same job again under the next attempt number: its pilot was lost or its failure may pass.
RETRIES = frozenset({(state, S.ACTIVATED) for state in WITH_PILOT | {S.FAILED}})

#: Somebody brings back what had been ended: the same job again, as with a retry. One whose inputs were not there yet
#: waits for them again.
RESETS = frozenset(
    {(S.CANCELLED, S.ACTIVATED), (S.CLOSED, S.ACTIVATED)}
    | {(end, S.DEFINED) for end in (S.FAILED, S.CANCELLED, S.CLOSED)}
)

_ENDED_BY_SERVER = {(state, S.FAILED) for state in (S.PENDING, S.WAITING, S.DEFINED, S.ASSIGNED, S.ACTIVATED)} | {
    (state, end) for state in set(S) - FINAL for end in (S.CANCELLED, S.CLOSED)
}

#: Every move there is. A heartbeat (the same state again) is a report, not a move.
MOVES = frozenset(_BEFORE_DISPATCH | _BY_PILOT | _AFTER_REPORT | RETRIES | RESETS | _ENDED_BY_SERVER)


def may_follow(before: JobState, after: JobState) -> bool:
    """Say whether a job may go from one state to the other in one move."""
    return (before, after) in MOVES
