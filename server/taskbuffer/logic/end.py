"""Somebody ends jobs: at once where no pilot has them, through the pilot where one has."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from pilot.contract.codec import ContractError
from pilot.contract.messages import Command
from pilot.contract.states import FINAL, WITH_PILOT, JobState
from server.lib.transactions import whole
from server.taskbuffer import waits
from server.taskbuffer.hot import rows
from server.taskbuffer.models import ArchivedJob
from server.taskbuffer.states import KILLS, Kill
from server.taskbuffer.values import Standing


class KillOutcome(str, Enum):
    """What a kill did to one job."""

    ENDED = "ended"
    ORDERED = "ordered"  # its pilot is told at its next report
    OVER = "over"  # it had ended before
    UNKNOWN = "unknown"


@whole
def kill(
    job_ids: Iterable[int], *, code: int | None = None, by: str, now: datetime | None = None, waits_only: bool = False
) -> dict[int, KillOutcome]:
    """End jobs, and answer what was done to each.

    Args:
        job_ids: PandaIDs.
        code: PanDA's kill code; ``None`` is a plain kill.
        by: Who asks; it stands in the events and the job's words.
        now: The time of it.
        waits_only: Jobs that a pilot has go on, and are called over.

    Raises:
        ContractError: there is no such kill code.
    """
    if code not in KILLS:
        known = ", ".join(str(number) for number in KILLS if number is not None)
        raise ContractError(f"code: {code} is no kill code; known are {known}, or none", field_name="code")
    at, words = now or timezone.now(), f"killed by {by}"
    with connection.cursor() as cursor:
        return {
            job_id: _end_surely(cursor, job_id, KILLS[code], at, by, words, waits_only)
            for job_id in sorted(set(job_ids))
        }


def _end_surely(
    cursor: CursorWrapper, job_id: int, kill: Kill, at: datetime, by: str, words: str, waits_only: bool
) -> KillOutcome:
    while True:
        try:
            return end_one(cursor, job_id, kill, at, by, words, waits_only=waits_only)
        except rows.LostRace:
            continue  # nothing of it was written: read it again, as its pilot has left it


def end_one(
    cursor: CursorWrapper, job_id: int, kill: Kill, at: datetime, by: str, words: str, *, waits_only: bool = False
) -> KillOutcome:
    """End one job, inside the transaction that the cursor is of, and say why; one that a pilot has, perhaps not.

    Raises:
        LostRace: somebody else moved it meanwhile.
    """
    job = rows.standing(cursor, job_id)
    if job is None:
        return KillOutcome.OVER if ArchivedJob.objects.filter(pk=job_id).exists() else KillOutcome.UNKNOWN
    if job.state in FINAL or (waits_only and job.state in WITH_PILOT):
        return KillOutcome.OVER
    columns = {
        "command": Command.KILL.value,
        "taskbuffer_error": int(kill.code),
        "server_error_words": rows.cut(words, 500),
    }
    if job.state in WITH_PILOT and not kill.at_once:
        rows.write_job(cursor, job, columns)
        return KillOutcome.ORDERED
    if job.state is JobState.ACTIVATED:
        rows.drop_ready(cursor, job_id)  # before the job, as a claim does: neither waits for the other for ever
    rows.move_job(cursor, job, kill.end, {**columns, "ended_at": rows.stamp(at)})
    rows.add_event(cursor, job, kill.end, at, by, words)
    _leave(cursor, job, kill, at, words)
    return KillOutcome.ENDED


def _leave(cursor: CursorWrapper, job: Standing, kill: Kill, at: datetime, words: str) -> None:
    if job.state in WITH_PILOT:
        rows.drop_live(cursor, job.job_id)
        rows.end_attempt(cursor, job, kill.end, at, {"server_error_words": rows.cut(words, 500)})
    elif job.state in waits.STATES:
        waits.turn([job.job_id], kill.end, at)
    rows.fail_files(cursor, job.job_id)
