"""The statements that every verb of the task buffer is made of.

Each changes rows only where they are as they were read, inside the transaction that the cursor is of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from pilot.contract.states import JobState, may_follow
from server.lib.moves import IllegalMove
from server.taskbuffer.hot.bulk import add_rows
from server.taskbuffer.hot.places import PLACES
from server.taskbuffer.states import RETRY_PENALTY, rank
from server.taskbuffer.values import Standing

Row = Sequence[Any]

#: What is added to some tables: their names, and the columns that have no default.
EVENTS = (
    "taskbuffer_jobevent", ("job_id", "attempt", "state_before", "state_after", "moved_at", "moved_by", "detail"),
)  # fmt: skip
PARAMETERS = ("taskbuffer_jobparameters", ("job_id", "panda"))
FILES = (
    "taskbuffer_jobfile",
    (
        "job_id", "lfn", "role", "state", "scope", "dataset", "size", "checksum", "endpoint", "guid", "may_be_missing",
        "url",
    ),
)  # fmt: skip
READY = ("taskbuffer_ready", ("job_id", "bucket_id", "place"))

#: Set back when a job is tried again; the attempt's own row keeps them.
CLEARED: Mapping[str, Any] = {
    "command": "",
    "node": "",
    "pilot_id": "",
    "started_at": None,
    "ended_at": None,
    "pilot_error": 0,
    "pilot_error_words": "",
    "payload_error": 0,
    "payload_error_words": "",
    "dispatcher_error": 0,
    "taskbuffer_error": 0,
    "data_error": 0,
    "supervisor_error": 0,
    "server_error_words": "",
    "exit_status": None,
    "events": None,
    "cpu_time": None,
    "max_rss": None,
}


#: What is handed out of a job, before it is handed out.
JOB = (
    "SELECT j.id, j.attempt, j.priority, p.panda FROM taskbuffer_job j"
    " JOIN taskbuffer_jobparameters p ON p.job_id = j.id"
)


class AnsweredBefore(Exception):
    """A request for work was given its jobs already; nothing was taken for it now."""


class LostRace(Exception):
    """Somebody else moved the job between our reading and our writing; the transaction is to be undone."""


def marks(values: Sequence[Any]) -> str:
    """Write a place for each of these values."""
    return ", ".join(["%s"] * len(values))


def stamp(moment: datetime) -> Any:
    """Write a time as the database's driver wants it."""
    return connection.ops.adapt_datetimefield_value(moment)


def cut(text: str, at_most: int) -> str:
    return text if len(text) <= at_most else text[: at_most - 1] + "…"


def standing(cursor: CursorWrapper, job_id: int, *, held: bool = False) -> Standing | None:
    """Read a job as it stands; one that is ``held`` stays so until the transaction ends."""
    text = (
        "SELECT state, attempt, max_attempts, bucket_id, priority, command, taskbuffer_error, queue"
        " FROM taskbuffer_job WHERE id = %s"
    )
    cursor.execute(f"{text} FOR UPDATE" if held and connection.features.has_select_for_update else text, (job_id,))
    row = cursor.fetchone()
    return None if row is None else Standing(job_id, JobState(row[0]), *row[1:])


def move_job(cursor: CursorWrapper, job: Standing, after: JobState, columns: Mapping[str, Any]) -> None:
    """Move a job and write further columns of it.

    A command that was given since it was read counts, too: a job that somebody has just killed is not tried again.

    Raises:
        IllegalMove: the contract's table has no such line.
        LostRace: the job is not any more as it was read.
    """
    if not may_follow(job.state, after):
        raise IllegalMove(job.state, after)
    sets = "".join(f", {name} = %s" for name in columns)
    cursor.execute(
        f"UPDATE taskbuffer_job SET state = %s{sets} WHERE id = %s AND state = %s AND attempt = %s AND command = %s",  # noqa: S608 (our own column names)
        (after.value, *columns.values(), job.job_id, job.state.value, job.attempt, job.command),
    )
    if cursor.rowcount != 1:
        raise LostRace


def write_job(cursor: CursorWrapper, job: Standing, columns: Mapping[str, Any]) -> None:
    """Write columns of a job that stays where it is.

    Raises:
        LostRace: the job is not any more as it was read.
    """
    sets = ", ".join(f"{name} = %s" for name in columns)
    cursor.execute(
        f"UPDATE taskbuffer_job SET {sets} WHERE id = %s AND state = %s AND attempt = %s",  # noqa: S608
        (*columns.values(), job.job_id, job.state.value, job.attempt),
    )
    if cursor.rowcount != 1:
        raise LostRace


def add_event(cursor: CursorWrapper, job: Standing, after: JobState, at: datetime, by: str, detail: str = "") -> None:
    """Write the event of a move of this job."""
    add_events(cursor, [(job.job_id, job.attempt, job.state.value, after.value, stamp(at), by, cut(detail, 500))])


def add_events(cursor: CursorWrapper, rows: Sequence[Row]) -> None:
    add_rows(cursor, *EVENTS, rows)


def add_ready(cursor: CursorWrapper, job_id: int, bucket: int, priority: int) -> None:
    """Put a job into the queue."""
    add_all_ready(cursor, [(job_id, bucket, rank(priority, job_id))])


def add_all_ready(cursor: CursorWrapper, rows: Sequence[Row]) -> None:
    add_rows(cursor, *READY, rows)
    look_at(rows)


def look_at(rows: Sequence[Row]) -> None:
    """Let this worker look where rows of the queue were added."""
    for _, bucket, place in rows:
        PLACES.put(bucket, place)


def drop_ready(cursor: CursorWrapper, job_id: int) -> None:
    cursor.execute("DELETE FROM taskbuffer_ready WHERE job_id = %s", (job_id,))


def drop_live(cursor: CursorWrapper, job_id: int) -> None:
    """Note that no pilot has the job any more."""
    cursor.execute("DELETE FROM taskbuffer_live WHERE job_id = %s", (job_id,))


def end_attempt(
    cursor: CursorWrapper, job: Standing, state: JobState, at: datetime, columns: Mapping[str, Any]
) -> None:
    """Close the row of the try that a pilot had."""
    sets = "".join(f", {name} = %s" for name in columns)
    cursor.execute(
        f"UPDATE taskbuffer_attempt SET state = %s, ended_at = %s{sets} WHERE job_id = %s AND number = %s",  # noqa: S608
        (state.value, stamp(at), *columns.values(), job.job_id, job.attempt),
    )


def fail_files(cursor: CursorWrapper, job_id: int) -> None:
    """Say of outputs that will not come that they will not come."""
    cursor.execute(
        "UPDATE taskbuffer_jobfile SET state = 'failed' WHERE job_id = %s AND role <> 'input' AND state = 'unknown'",
        (job_id,),
    )


def again(
    cursor: CursorWrapper,
    job: Standing,
    at: datetime,
    by: str,
    detail: str,
    after: JobState = JobState.ACTIVATED,
) -> None:
    """Queue a job for its next attempt, which may be one more than it was ordered with; or let it wait before."""
    attempt, priority = job.attempt + 1, job.priority - RETRY_PENALTY
    columns = {
        **CLEARED,
        "attempt": attempt,
        "priority": priority,
        "activated_at": stamp(at) if after is JobState.ACTIVATED else None,
        "max_attempts": max(job.max_attempts, attempt),
    }
    move_job(cursor, job, after, columns)
    add_event(cursor, job, after, at, by, detail)
    if after is JobState.ACTIVATED:
        add_ready(cursor, job.job_id, job.bucket, priority)
    _order_files_again(cursor, job)


def _order_files_again(cursor: CursorWrapper, job: Standing) -> None:
    cursor.execute(
        "UPDATE taskbuffer_jobfile SET state = 'unknown' WHERE job_id = %s AND role <> 'input' AND state = 'failed'",
        (job.job_id,),
    )
    # The log of the try that ended stays; the next one writes its own.
    cursor.execute(
        "INSERT INTO taskbuffer_jobfile (job_id, lfn, role, state, scope, dataset, endpoint, guid, url, may_be_missing)"
        " SELECT job_id, lfn, role, 'unknown', scope, dataset, endpoint, '', '', may_be_missing"
        " FROM taskbuffer_jobfile WHERE job_id = %s AND role = 'log' AND attempt = %s",
        (job.job_id, job.attempt),
    )
