"""A claim on any database, in few statements: MariaDB can neither return from an update nor pass over locks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper

from pilot.contract.states import JobState
from server.taskbuffer.hot.rows import AnsweredBefore, Row, add_events, marks, stamp
from server.taskbuffer.values import ClaimOrder


def take(order: ClaimOrder, candidates: Sequence[int], now: datetime) -> list[Row]:
    """Take the first candidates that are still queued; answer number, attempt, priority, dictionary, bucket, rank.

    Raises:
        AnsweredBefore: the request was.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if order.repeatable:
                _refuse_answered(cursor, order)
            return _take(cursor, order, candidates, now)
    except IntegrityError as twice:  # where two writers work at once: the same request, at the same moment
        raise AnsweredBefore from twice


def _refuse_answered(cursor: CursorWrapper, order: ClaimOrder) -> None:
    cursor.execute(
        "SELECT 1 FROM taskbuffer_attempt WHERE request_id = %s AND queue = %s LIMIT 1", (order.request_id, order.queue)
    )
    if cursor.fetchone():
        raise AnsweredBefore


def _take(cursor: CursorWrapper, order: ClaimOrder, candidates: Sequence[int], now: datetime) -> list[Row]:
    cursor.execute(
        "SELECT j.id, j.attempt, j.priority, p.panda, r.bucket_id, r.place FROM taskbuffer_ready r"  # noqa: S608 (marks only)
        " JOIN taskbuffer_job j ON j.id = r.job_id JOIN taskbuffer_jobparameters p ON p.job_id = r.job_id"
        f" WHERE r.job_id IN ({marks(candidates)}) ORDER BY r.place LIMIT %s",
        [*candidates, order.count],
    )
    # Since they were looked at, one may have been tried and sent to another queue.
    fitting = [row for row in cursor.fetchall() if row[4] in order.buckets]
    taken = [row for row in fitting if _unqueue(cursor, row[0])]
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
    return taken


def _unqueue(cursor: CursorWrapper, job_id: int) -> bool:
    """Take a job out of the queue; false when somebody else did."""
    cursor.execute("DELETE FROM taskbuffer_ready WHERE job_id = %s", (job_id,))
    return bool(cursor.rowcount == 1)
