"""A pilot gets jobs: the first ones of its buckets, taken in one transaction that can be asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from django.db import connection
from django.db.backends.utils import CursorWrapper

from pilot.contract.states import WITH_PILOT, JobState
from server.lib.transactions import BREAKS, MOST, once_more, pause, renew
from server.taskbuffer.hot import portable, postgresql
from server.taskbuffer.hot.handout import hand_out
from server.taskbuffer.hot.places import PLACES, TOP
from server.taskbuffer.hot.rows import JOB, AnsweredBefore, Row, marks
from server.taskbuffer.values import ClaimOrder

#: More jobs than wanted are looked at, since another worker may be faster with the first ones.
MARGIN = 8

#: Buckets that one statement looks into.
AT_ONCE = 100

#: Where deleted rows stay in the index for a while, which SQLite does not do.
_LEAVE_ROWS = ("postgresql", "mysql")


def claim(order: ClaimOrder, now: datetime) -> list[dict[str, Any]]:
    """Answer the jobs for a request, in PanDA's dictionary form; ``[]`` when there are none.

    The same request again gets the same jobs again, as long as their attempts live.
    """
    try:
        return _claim(order, now)
    except BREAKS as error:
        renew(error)
    # Its jobs may have been taken, also under a name that was made up here.
    return _claim(replace(order, repeatable=True), now)


@once_more
def _claim(order: ClaimOrder, now: datetime) -> list[dict[str, Any]]:
    if not order.buckets:
        return repeated(order) if order.repeatable else []
    starts, turn = [_start(bucket) for bucket in order.buckets], 0
    try:
        while True:
            # Somebody may hold many of the first jobs for long, as who kills a task does: those behind are free.
            taken, were_there = _take(order, starts, order.count + (MARGIN << turn), now)
            if taken:
                return _given_out(order, taken)
            if not were_there and all(start == TOP for start in starts):
                return repeated(order) if order.repeatable else []
            starts = [TOP] * len(starts)
            for bucket in order.buckets:
                PLACES.put(bucket, TOP)
            if were_there and turn:
                pause(turn)
            turn = min(turn + were_there, MOST)
    except AnsweredBefore:
        return repeated(order)


def _given_out(order: ClaimOrder, taken: Sequence[Row]) -> list[dict[str, Any]]:
    if order.task_id is None:  # else jobs of other tasks stand before these
        for row in taken:
            PLACES.took(row[4], row[5])
    return [_written(row) for row in taken]


def _start(bucket: int) -> int:
    return PLACES.start(bucket) if connection.vendor in _LEAVE_ROWS else TOP


def _take(order: ClaimOrder, starts: Sequence[int], wanted: int, now: datetime) -> tuple[Sequence[Row], bool]:
    """Take jobs; say, too, whether there were any to be taken."""
    on_postgresql = connection.vendor == "postgresql"
    if on_postgresql and order.task_id is None:
        return postgresql.take_first(order, starts, wanted, now)
    if not (candidates := _candidates(order, starts, wanted)):
        return (), False
    return (postgresql if on_postgresql else portable).take(order, candidates, now), True


def repeated(order: ClaimOrder) -> list[dict[str, Any]]:
    """Answer what this request was given before, as far as it lives."""
    with connection.cursor() as cursor:
        return _given(cursor, order)


def _given(cursor: CursorWrapper, order: ClaimOrder) -> list[dict[str, Any]]:
    cursor.execute(
        "SELECT a.job_id, a.number, j.state, j.attempt FROM taskbuffer_attempt a"
        " JOIN taskbuffer_job j ON j.id = a.job_id WHERE a.request_id = %s AND a.queue = %s ORDER BY a.nth",
        (order.request_id, order.queue),
    )
    living = [row[0] for row in cursor.fetchall() if row[1] == row[3] and JobState(row[2]) in WITH_PILOT]
    if not living:
        return []
    cursor.execute(f"{JOB} WHERE j.id IN ({marks(living)})", living)
    found = {row[0]: row for row in cursor.fetchall()}
    return [_written(found[job_id]) for job_id in living]


def _candidates(order: ClaimOrder, starts: Sequence[int], wanted: int) -> list[int]:
    """Look, without a lock, which jobs stand first. Bounded by the number of buckets, not of jobs."""
    found: list[tuple[int, int]] = []
    with connection.cursor() as cursor:
        for begin in range(0, len(order.buckets), AT_ONCE):
            some = slice(begin, begin + AT_ONCE)
            if order.task_id is not None:
                _look_in_task(cursor, order.buckets[some], order.task_id, wanted)
            else:
                _look(cursor, list(zip(order.buckets[some], starts[some], strict=True)), wanted)
            found += cursor.fetchall()
    return [job_id for _, job_id in sorted(found)[:wanted]]


def _look(cursor: CursorWrapper, starts: Sequence[tuple[int, int]], wanted: int) -> None:
    # One bounded walk along the index per bucket; with `bucket_id IN (...)` databases sort all that is queued.
    one = (
        "SELECT * FROM (SELECT place, job_id FROM taskbuffer_ready WHERE bucket_id = %s AND place >= %s"
        " ORDER BY bucket_id, place LIMIT %s) b"
    )
    text = " UNION ALL ".join([one] * len(starts))
    cursor.execute(text, [value for bucket, start in starts for value in (bucket, start, wanted)])


def _look_in_task(cursor: CursorWrapper, buckets: Sequence[int], task_id: int, wanted: int) -> None:
    cursor.execute(
        "SELECT r.place, r.job_id FROM taskbuffer_job j JOIN taskbuffer_ready r ON r.job_id = j.id"  # noqa: S608 (marks only)
        f" WHERE j.task_id = %s AND r.bucket_id IN ({marks(buckets)}) ORDER BY r.place LIMIT %s",
        [task_id, *buckets, wanted],
    )


def _written(row: Row) -> dict[str, Any]:
    job_id, attempt, priority, panda = row[:4]
    return hand_out(orjson.loads(panda), job_id=job_id, attempt=attempt, priority=priority)
