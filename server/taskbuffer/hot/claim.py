"""A pilot gets jobs: the first ones of its buckets, in one transaction that can be asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper

from pilot.contract.states import WITH_PILOT, JobState
from server.taskbuffer.hot.handout import hand_out
from server.taskbuffer.hot.rows import add_events, stamp
from server.taskbuffer.values import ClaimOrder

#: More jobs than wanted are looked at, since another worker may be faster with the first ones.
MARGIN = 8

#: Buckets that one statement looks into.
AT_ONCE = 100

_JOB = (
    "SELECT j.id, j.attempt, j.priority, p.panda FROM taskbuffer_job j"
    " JOIN taskbuffer_jobparameters p ON p.job_id = j.id"
)


def claim(order: ClaimOrder, now: datetime) -> list[dict[str, Any]]:
    """Answer the jobs for a request, in PanDA's dictionary form; ``[]`` when there are none.

    The same request again gets the same jobs again, as long as their attempts live.
    """
    while True:
        candidates = _candidates(order)
        if not candidates:
            return repeated(order) if order.repeatable else []
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                if order.repeatable and (given := _given(cursor, order)) is not None:
                    return given
                jobs = _take(cursor, order, candidates, now)
        except IntegrityError:
            # On databases that let two writers work at once: the same request came twice at the same moment.
            return repeated(order)
        if jobs:
            return jobs


def repeated(order: ClaimOrder) -> list[dict[str, Any]]:
    """Answer what this request was given before, as far as it lives."""
    with connection.cursor() as cursor:
        return _given(cursor, order) or []


def _given(cursor: CursorWrapper, order: ClaimOrder) -> list[dict[str, Any]] | None:
    """Answer the living jobs of a request that was answered before; ``None`` for a new request."""
    cursor.execute(
        "SELECT a.job_id, a.number, j.state, j.attempt FROM taskbuffer_attempt a"
        " JOIN taskbuffer_job j ON j.id = a.job_id WHERE a.request_id = %s AND a.queue = %s ORDER BY a.nth",
        (order.request_id, order.queue),
    )
    rows = cursor.fetchall()
    if not rows:
        return None
    living = [row[0] for row in rows if row[1] == row[3] and JobState(row[2]) in WITH_PILOT]
    if not living:
        return []
    cursor.execute(f"{_JOB} WHERE j.id IN ({_marks(living)})", living)
    found = {row[0]: row for row in cursor.fetchall()}
    return [_written(found[job_id]) for job_id in living]


def _candidates(order: ClaimOrder) -> list[int]:
    """Look, without a lock, which jobs stand first. Bounded by the number of buckets, not of jobs."""
    if not order.buckets:
        return []
    wanted = order.count + MARGIN
    found: list[tuple[int, int]] = []
    with connection.cursor() as cursor:
        for start in range(0, len(order.buckets), AT_ONCE):
            buckets = order.buckets[start : start + AT_ONCE]
            if order.task_id is not None:
                _look_in_task(cursor, buckets, order.task_id, wanted)
            else:
                _look(cursor, buckets, wanted)
            found += cursor.fetchall()
    return [job_id for _, job_id in sorted(found)[:wanted]]


def _look(cursor: CursorWrapper, buckets: Sequence[int], wanted: int) -> None:
    # One bounded walk along the index per bucket; with `bucket_id IN (...)` databases sort all that is queued.
    one = "SELECT * FROM (SELECT place, job_id FROM taskbuffer_ready WHERE bucket_id = %s ORDER BY place LIMIT %s) b"
    text = " UNION ALL ".join([one] * len(buckets))
    cursor.execute(text, [value for bucket in buckets for value in (bucket, wanted)])


def _look_in_task(cursor: CursorWrapper, buckets: Sequence[int], task_id: int, wanted: int) -> None:
    cursor.execute(
        "SELECT r.place, r.job_id FROM taskbuffer_job j JOIN taskbuffer_ready r ON r.job_id = j.id"  # noqa: S608 (marks only)
        f" WHERE j.task_id = %s AND r.bucket_id IN ({_marks(buckets)}) ORDER BY r.place LIMIT %s",
        [task_id, *buckets, wanted],
    )


def _take(cursor: CursorWrapper, order: ClaimOrder, candidates: Sequence[int], now: datetime) -> list[dict[str, Any]]:
    """Take the first candidates that are still queued."""
    cursor.execute(
        f"{_JOB} JOIN taskbuffer_ready r ON r.job_id = j.id WHERE r.job_id IN ({_marks(candidates)})"
        " ORDER BY r.place LIMIT %s",
        [*candidates, order.count],
    )
    taken = [row for row in cursor.fetchall() if _unqueue(cursor, row[0])]
    if not taken:
        return []
    at = stamp(now)
    sent, activated = JobState.SENT.value, JobState.ACTIVATED.value
    cursor.executemany(
        "UPDATE taskbuffer_job SET state = %s, node = %s WHERE id = %s AND state = %s",
        [(sent, order.node, row[0], activated) for row in taken],
    )
    cursor.executemany(
        "INSERT INTO taskbuffer_attempt (job_id, number, state, request_id, nth, queue, node, pilot_id, batch_id,"
        " sent_at, pilot_error, pilot_error_words, payload_error, payload_error_words, dispatcher_error, data_error,"
        " server_error_words, digest, answer)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, '', %s, %s, 0, '', 0, '', 0, 0, '', '', '')",
        [
            (row[0], row[1], sent, order.request_id, nth, order.queue, order.node, order.batch_id, at)
            for nth, row in enumerate(taken)
        ],
    )
    cursor.executemany(
        "INSERT INTO taskbuffer_live (job_id, attempt, queue, state, heartbeat, tail, shown)"
        " VALUES (%s, %s, %s, %s, %s, '', '')",
        [(row[0], row[1], order.queue, sent, now.timestamp()) for row in taken],
    )
    add_events(cursor, [(row[0], row[1], activated, sent, at, order.by, order.node) for row in taken])
    return [_written(row) for row in taken]


def _unqueue(cursor: CursorWrapper, job_id: int) -> bool:
    """Take a job out of the queue; false when somebody else did."""
    cursor.execute("DELETE FROM taskbuffer_ready WHERE job_id = %s", (job_id,))
    return bool(cursor.rowcount == 1)


def _written(row: Sequence[Any]) -> dict[str, Any]:
    job_id, attempt, priority, panda = row
    return hand_out(orjson.loads(panda), job_id=job_id, attempt=attempt, priority=priority)


def _marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))
