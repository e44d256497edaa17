"""The watchdog: jobs whose pilots fell silent are tried again, or end. Reads only the small rows of living jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.utils import timezone

from pilot.contract.server_codes import DispatcherCode, words_of
from pilot.contract.states import JobState
from server.lib.transactions import whole
from server.pandaconfig import queries as pandaconfig
from server.taskbuffer.again import rules_for, try_again
from server.taskbuffer.hot import rows
from server.taskbuffer.limits import CLOCK_SKEW, IMPATIENT_LABELS, IMPATIENT_PRIORITY, SILENCES, Limits
from server.taskbuffer.limits import limits as read_limits
from server.taskbuffer.models import Live
from server.taskbuffer.values import Errors, Standing
from server.taskbuffer.verdict import Verdict, judge_lost

#: Jobs that are put right in one transaction, so that pilots need not wait for the watchdog.
BATCH = 100

#: What is said of a job whose pilot fell silent, by its state.
CODES = {
    JobState.SENT: DispatcherCode.NO_REPLY_TO_SENT,
    JobState.STARTING: DispatcherCode.LOST_HEARTBEAT,
    JobState.RUNNING: DispatcherCode.LOST_HEARTBEAT,
    JobState.TRANSFERRING: DispatcherCode.TRANSFER_TIMEOUT,
    JobState.HOLDING: DispatcherCode.HOLDING_TIMEOUT,
}

PAUSED = "paused"
_RUNS = (JobState.STARTING.value, JobState.RUNNING.value)


@dataclass(frozen=True)
class Reaped:
    """How many jobs were lost, by what became of them."""

    again: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.again + self.failed + self.cancelled


class End(Enum):
    """What became of one job."""

    AGAIN = "again"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_LOST = "not lost"


_END_OF = {JobState.ACTIVATED: End.AGAIN, JobState.FAILED: End.FAILED, JobState.CANCELLED: End.CANCELLED}


def _go_on() -> None:
    """Nobody waits for a sign of life."""


def reap_lost(
    *,
    now: datetime | None = None,
    limits: Limits | None = None,
    by: str = "watchdog",
    keep: Callable[[], None] = _go_on,
) -> Reaped:
    """Put right every job whose pilot fell silent, in small transactions; answer what became of them."""
    at, bounds = now or timezone.now(), limits or read_limits()
    _take_back(at)
    paused = [name for name, status in pandaconfig.statuses().items() if status == PAUSED]
    ends: list[End] = []
    while lost := _lost(at, bounds, paused):
        keep()
        ends += _put_all_right(lost, at, by)
    return Reaped(**{end.value: ends.count(end) for end in End if end is not End.NOT_LOST})


@whole
def _put_all_right(lost: Sequence[Live], at: datetime, by: str) -> list[End]:
    ends = []
    with connection.cursor() as cursor:
        for live in sorted(lost, key=lambda live: live.job_id):
            words = f"last heard {at.timestamp() - live.heartbeat:.0f} s ago"
            ends.append(put_right(cursor, live, CODES[JobState(live.state)], words, at, by))
    return ends


def _take_back(at: datetime) -> None:
    """Count from now on for pilots that were heard at a time to come: the clock has since been put back."""
    early = Live.objects.filter(heartbeat__gt=at.timestamp() + CLOCK_SKEW)
    if numbers := list(early.order_by().values_list("pk", flat=True)):
        early.filter(pk__in=numbers).update(heartbeat=at.timestamp())


def _lost(at: datetime, limits: Limits, paused: Sequence[str]) -> list[Live]:
    """Read some jobs of silent pilots. While a queue is paused, nobody expects to hear from what runs there."""
    now, silent = at.timestamp(), Q()
    for state, setting in SILENCES.items():
        silent |= Q(state=state.value, heartbeat__lt=now - limits.of(setting))
    lost = Live.objects.filter(silent).exclude(queue__in=paused, state__in=_RUNS)
    # Apart, so that the many rows of the first need no look at their jobs.
    held = Live.objects.filter(state=JobState.HOLDING.value, heartbeat__lt=now - limits.holding_impatient)
    awaited = held.filter(Q(job__label__in=IMPATIENT_LABELS) | Q(job__priority__gt=IMPATIENT_PRIORITY))
    return list(lost.order_by()[:BATCH]) or list(awaited.order_by()[:BATCH])


def put_right(cursor: CursorWrapper, live: Live, code: DispatcherCode, found_out: str, at: datetime, by: str) -> End:
    """End the attempt of one pilot that is given up; nothing happens when it spoke meanwhile."""
    # The job before its small row, as a report does: neither waits for the other for ever.
    job = rows.standing(cursor, live.job_id, held=True)
    cursor.execute(
        "DELETE FROM taskbuffer_live WHERE job_id = %s AND attempt = %s AND heartbeat = %s",
        (live.job_id, live.attempt, live.heartbeat),
    )
    if job is None or cursor.rowcount != 1:
        return End.NOT_LOST
    words = f"{words_of(code)}: {found_out}"
    errors = Errors(dispatcher=code, words=words)
    verdict = judge_lost(job, errors, rules_for(cursor, job))
    after = verdict.moves[0]
    found = {"dispatcher_error": int(code), "server_error_words": words}
    ended = JobState.CANCELLED if after is JobState.CANCELLED else JobState.FAILED
    rows.end_attempt(cursor, job, ended, at, found)
    if after is JobState.ACTIVATED:
        try_again(cursor, job, verdict.decision, at, by, words)
    else:
        _end(cursor, job, verdict, at, by)
    return _END_OF[after]


def _end(cursor: CursorWrapper, job: Standing, verdict: Verdict, at: datetime, by: str) -> None:
    after, errors = verdict.moves[0], verdict.errors
    found = {"dispatcher_error": errors.dispatcher, "server_error_words": errors.words}
    columns = {"ended_at": rows.stamp(at), **(found if after is JobState.FAILED else {})}
    rows.move_job(cursor, job, after, columns)
    words = "; ".join(filter(None, [errors.words, verdict.decision.words]))
    rows.add_event(cursor, job, after, at, by, words)
    rows.fail_files(cursor, job.job_id)
