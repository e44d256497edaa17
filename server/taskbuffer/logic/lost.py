"""The watchdog: jobs whose pilots fell silent are tried again, or end. Reads only the small rows of living jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.utils import timezone

from pilot.contract.server_codes import DispatcherCode, words_of
from pilot.contract.states import JobState
from server.taskbuffer.hot import rows
from server.taskbuffer.models import Live
from server.taskbuffer.values import Errors, Standing
from server.taskbuffer.verdict import judge_lost

#: Jobs that are put right in one transaction, so that pilots need not wait for the watchdog.
BATCH = 100


@dataclass(frozen=True)
class Limits:
    """Seconds of silence after which a pilot counts as lost: before its first report, and after it."""

    sent: float
    heartbeat: float


@dataclass(frozen=True)
class Reaped:
    """How many jobs were lost, by what became of them."""

    again: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.again + self.failed + self.cancelled


class _End(Enum):
    AGAIN = "again"
    FAILED = "failed"
    CANCELLED = "cancelled"


_ENDS = {JobState.ACTIVATED: _End.AGAIN, JobState.FAILED: _End.FAILED, JobState.CANCELLED: _End.CANCELLED}


def reap_lost(*, now: datetime | None = None, limits: Limits | None = None, by: str = "watchdog") -> Reaped:
    """Put right every job whose pilot fell silent, in small transactions; answer what became of them."""
    at = now or timezone.now()
    silence = limits or Limits(settings.ENVIRONMENT.sent_timeout, settings.ENVIRONMENT.heartbeat_timeout)
    ends: list[_End] = []
    while lost := _lost(at, silence):
        with transaction.atomic(), connection.cursor() as cursor:
            ends += [end for job in lost if (end := _put_right(cursor, job, at, by)) is not None]
    return Reaped(**{end.value: ends.count(end) for end in _End})


def _lost(at: datetime, limits: Limits) -> list[Live]:
    now = at.timestamp()
    unanswered = Q(state=JobState.SENT.value, heartbeat__lt=now - limits.sent)
    silent = ~Q(state=JobState.SENT.value) & Q(heartbeat__lt=now - limits.heartbeat)
    return list(Live.objects.filter(unanswered | silent).order_by()[:BATCH])


def _put_right(cursor: CursorWrapper, live: Live, at: datetime, by: str) -> _End | None:
    """End the attempt of one silent pilot; nothing when it spoke after all."""
    cursor.execute(
        "DELETE FROM taskbuffer_live WHERE job_id = %s AND attempt = %s AND heartbeat = %s",
        (live.job_id, live.attempt, live.heartbeat),
    )
    job = rows.standing(cursor, live.job_id) if cursor.rowcount == 1 else None
    if job is None:
        return None
    code = DispatcherCode.NO_REPLY_TO_SENT if job.state is JobState.SENT else DispatcherCode.LOST_HEARTBEAT
    words = f"{words_of(code)}: last heard {at.timestamp() - live.heartbeat:.0f} s ago"
    errors = Errors(dispatcher=code, words=words)
    after = judge_lost(job, errors).moves[0]
    found = {"dispatcher_error": int(code), "server_error_words": words}
    ended = JobState.CANCELLED if after is JobState.CANCELLED else JobState.FAILED
    rows.end_attempt(cursor, job, ended, at, found)
    if after is JobState.ACTIVATED:
        rows.again(cursor, job, at, by, words)
    else:
        _end(cursor, job, after, at, by, errors)
    return _ENDS[after]


def _end(cursor: CursorWrapper, job: Standing, after: JobState, at: datetime, by: str, errors: Errors) -> None:
    found = {"dispatcher_error": errors.dispatcher, "server_error_words": errors.words}
    columns = {"ended_at": rows.stamp(at), **(found if after is JobState.FAILED else {})}
    rows.move_job(cursor, job, after, columns)
    rows.add_event(cursor, job, after, at, by, errors.words)
    rows.fail_files(cursor, job.job_id)
