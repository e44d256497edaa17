"""A job's life inside the pilot, as a table. Pure: no threads, no files, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Optional

from pilot.job import Job, Phase, Problem


class Event(str, Enum):
    """What may happen to a job."""

    # Answers: what a component was asked for. Bound to a step; late ones are dropped.
    BEGIN = "begin"
    FETCH = "fetch"  # its inputs, while others have the cores
    FETCHED = "fetched"  # and they still have them
    INPUT_READY = "input ready"
    PAYLOAD_OK = "payload ok"
    OUTPUT_STORED = "output stored"
    GONE = "gone"  # payload and copies have ended
    LOG_STORED = "log stored"
    TAKEN = "taken"  # the server has taken the final report
    REFUSED = "refused"  # it will never take it
    NOT_TAKEN = "not taken"  # it may take it later
    FAIL = "fail"
    OVERDUE = "overdue"  # what was asked for did not come in its time
    # Orders: never late, in every living phase.
    KILL = "kill"
    DEADLINE = "deadline"
    SHUTDOWN = "shutdown"
    LEASE_LOST = "lease lost"
    CHECK = "check"
    SOFT_KILL = "soft kill"  # the payload may end in its own way
    ENOUGH = "enough"  # as any of these, for a job that is lent to somebody: it ends well


class Effect(str, Enum):
    """What the components must now do. They answer with an `Event`; only REPORT, ASK_PAYLOAD and CLEAN do not."""

    REPORT = "report"
    STAGE_IN = "stage in"
    RUN_PAYLOAD = "run payload"
    STAGE_OUT = "stage out"
    ASK_PAYLOAD = "ask payload"  # to end; it is told by how it ends
    STOP_PAYLOAD = "stop payload"
    CANCEL_COPIES = "cancel copies"
    STAGE_LOG = "stage log"
    FINAL_REPORT = "final report"
    CLEAN = "clean"


Row = tuple[Phase, tuple[Effect, ...]]

ORDERS = (Event.KILL, Event.DEADLINE, Event.SHUTDOWN, Event.LEASE_LOST, Event.CHECK)
TERMINAL = frozenset({Phase.DONE, Phase.FAILED})
#: What was to be done for the job is done; an order that comes now finds nothing to stop and changes nothing.
TOO_LATE = frozenset({Phase.STAGING_LOG, Phase.REPORTING})

_STRAIGHT: dict[tuple[Phase, Event], Row] = {
    (Phase.ACCEPTED, Event.BEGIN): (Phase.STAGING_IN, (Effect.REPORT, Effect.STAGE_IN)),
    (Phase.ACCEPTED, Event.FETCH): (Phase.STAGING_IN, (Effect.REPORT, Effect.STAGE_IN)),
    (Phase.STAGING_IN, Event.FETCHED): (Phase.READY, ()),
    (Phase.READY, Event.BEGIN): (Phase.RUNNING, (Effect.REPORT, Effect.RUN_PAYLOAD)),
    (Phase.STAGING_IN, Event.INPUT_READY): (Phase.RUNNING, (Effect.REPORT, Effect.RUN_PAYLOAD)),
    (Phase.RUNNING, Event.PAYLOAD_OK): (Phase.STAGING_OUT, (Effect.STAGE_OUT,)),
    (Phase.RUNNING, Event.ENOUGH): (Phase.RUNNING, (Effect.ASK_PAYLOAD,)),
    (Phase.STAGING_OUT, Event.OUTPUT_STORED): (Phase.STAGING_LOG, (Effect.STAGE_LOG,)),
    (Phase.STOPPING, Event.GONE): (Phase.STAGING_LOG, (Effect.STAGE_LOG,)),
    (Phase.STAGING_LOG, Event.LOG_STORED): (Phase.REPORTING, (Effect.FINAL_REPORT,)),
    (Phase.REPORTING, Event.TAKEN): (Phase.DONE, (Effect.CLEAN,)),
    (Phase.REPORTING, Event.REFUSED): (Phase.FAILED, (Effect.CLEAN,)),
    # The conductor lets some time pass, then says OVERDUE; the job is not forgotten before its report is taken.
    (Phase.REPORTING, Event.NOT_TAKEN): (Phase.REPORTING, ()),
    (Phase.REPORTING, Event.OVERDUE): (Phase.REPORTING, (Effect.FINAL_REPORT,)),
    (Phase.REPORTING, Event.FAIL): (Phase.REPORTING, ()),
}

#: How a job that goes wrong is brought to rest. A payload that failed is stopped even when it has ended: its children
#: may live on. Before the log is packed, nobody may write in the job's directory any more.
_TO_REST: dict[Phase, Row] = {
    Phase.ACCEPTED: (Phase.STAGING_LOG, (Effect.STAGE_LOG,)),
    Phase.STAGING_IN: (Phase.STOPPING, (Effect.CANCEL_COPIES,)),
    Phase.READY: (Phase.STAGING_LOG, (Effect.STAGE_LOG,)),
    Phase.RUNNING: (Phase.STOPPING, (Effect.STOP_PAYLOAD,)),
    Phase.STAGING_OUT: (Phase.STOPPING, (Effect.CANCEL_COPIES,)),
    # What does not come to rest in its time is left alone: the report must not wait for it.
    Phase.STOPPING: (Phase.STAGING_LOG, (Effect.STAGE_LOG,)),
    Phase.STAGING_LOG: (Phase.REPORTING, (Effect.FINAL_REPORT,)),
}

#: A dead pilot's job goes on where it stood; what had happened to it by then happens again in one step.
_ADOPTED: dict[tuple[Phase, Event], Row] = {
    # Its payload was in an allocation, which may go on: the payload lane brings back what became of it.
    (Phase.ACCEPTED, Event.INPUT_READY): (Phase.RUNNING, (Effect.REPORT, Effect.RUN_PAYLOAD)),
    (Phase.ACCEPTED, Event.PAYLOAD_OK): (Phase.STAGING_OUT, (Effect.STAGE_OUT,)),
    (Phase.ACCEPTED, Event.OUTPUT_STORED): (Phase.STAGING_LOG, (Effect.STAGE_LOG,)),
    (Phase.ACCEPTED, Event.LOG_STORED): (Phase.REPORTING, (Effect.FINAL_REPORT,)),
}

_WENT_WRONG = {(phase, event): row for phase, row in _TO_REST.items() for event in (Event.FAIL, Event.OVERDUE)}
_ORDERED = {(phase, order): row for phase, row in _TO_REST.items() for order in ORDERS}
#: Orders that end the time for which a job is lent, instead of the job.
_GIVEN_BACK = frozenset({Event.KILL, Event.SOFT_KILL, Event.DEADLINE, Event.SHUTDOWN})
#: Already being stopped, or nothing left to stop.
_NOTHING_TO_STOP = {(phase, order): (phase, ()) for phase in (Phase.STOPPING, *sorted(TOO_LATE)) for order in ORDERS}

#: A payload that is asked to end may end in its own time; what has not begun one is ended like any other job, and once
#: it is over there is nothing to be soft about.
_SOFTLY: dict[tuple[Phase, Event], Row] = {
    (Phase.ACCEPTED, Event.SOFT_KILL): _TO_REST[Phase.ACCEPTED],
    (Phase.STAGING_IN, Event.SOFT_KILL): _TO_REST[Phase.STAGING_IN],
    (Phase.READY, Event.SOFT_KILL): _TO_REST[Phase.READY],
    (Phase.RUNNING, Event.SOFT_KILL): (Phase.RUNNING, (Effect.ASK_PAYLOAD,)),
    **{(phase, Event.SOFT_KILL): (phase, ()) for phase in (Phase.STAGING_OUT, Phase.STOPPING, *sorted(TOO_LATE))},
}

TABLE: Mapping[tuple[Phase, Event], Row] = {
    **_SOFTLY,
    **_WENT_WRONG,
    **_ORDERED,
    **_NOTHING_TO_STOP,
    **_ADOPTED,
    **_STRAIGHT,
}


def given_back(job: Job, order: Event) -> Event:
    """Answer what an order to end means for a job that is lent: while it is, that it has been for long enough."""
    return Event.ENOUGH if job.phase is Phase.RUNNING and order in _GIVEN_BACK else order


class IllegalTransition(Exception):
    """An event came that a job in this phase cannot have. A fault of the pilot, never of a site."""

    def __init__(self, job: Job, event: Event) -> None:
        story = " > ".join(job.story) or "just accepted"
        super().__init__(f"job {job.spec.id}: {event.value!r} while {job.phase.value}; story: {story}")


def advance(job: Job, event: Event, problem: Optional[Problem] = None) -> tuple[Job, tuple[Effect, ...]]:
    """Answer what a job becomes after an event, and what has to be done about it.

    The first problem is kept: what follows a failure is usually its consequence. A job with a problem ends FAILED; so
    a payload that ended well after it was asked to end has failed, and it is asked once.

    Raises:
        IllegalTransition: the table has no row for it.
    """
    try:
        asked = job.phase is Phase.RUNNING and job.problem is not None
        phase, effects = TABLE[job.phase, Event.FAIL if asked and event is Event.PAYLOAD_OK else event]
        if asked and event is Event.SOFT_KILL:
            effects = ()
    except KeyError:
        raise IllegalTransition(job, event) from None
    kept = job.problem or (None if _too_late(job.phase, event) or _softly(job, event) else problem)
    if phase is Phase.DONE and kept is not None:
        phase = Phase.FAILED
    return (
        job.evolve(
            phase=phase,
            step=job.step + (phase is not job.phase),  # only a change of phase makes older answers late
            problem=kept,
            story=(*job.story, f"{event.value}:{phase.value}"),
        ),
        effects,
    )


def _softly(job: Job, event: Event) -> bool:
    """Say whether a job has not failed because it ends sooner: of event ranges, what is done by then counts."""
    return event is Event.SOFT_KILL and job.phase is Phase.RUNNING and job.spec.events


def _too_late(phase: Phase, event: Event) -> bool:
    """Say whether what happened can no longer change how the job ended; its final report is written by then."""
    soft = event is Event.SOFT_KILL and phase in (Phase.STAGING_OUT, *TOO_LATE)
    return soft or (phase in TOO_LATE and event in ORDERS) or (phase is Phase.REPORTING and event is not Event.REFUSED)
