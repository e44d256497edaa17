"""A claim on PostgreSQL: one statement, which is a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime

from django.db import IntegrityError, connection, transaction

from server.taskbuffer.hot.rows import AnsweredBefore, Row, stamp
from server.taskbuffer.values import ClaimOrder

#: Rows that somebody else is taking are passed over, and those that went to another bucket since they were looked at;
#: the unique name of the request undoes all of it the second time.
_TAKE = """
WITH first AS (
    SELECT job_id, place FROM taskbuffer_ready WHERE job_id = ANY(%s::bigint[]) AND bucket_id = ANY(%s::bigint[])
    ORDER BY place LIMIT %s FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM taskbuffer_ready r USING first WHERE r.job_id = first.job_id RETURNING r.job_id, r.place
), moved AS (
    UPDATE taskbuffer_job j SET state = 'sent', node = %s FROM taken WHERE j.id = taken.job_id AND j.state = 'activated'
    RETURNING j.id, j.attempt, j.priority, taken.place
), given AS (
    SELECT id, attempt, priority, row_number() OVER (ORDER BY place) - 1 AS nth FROM moved
), attempts AS (
    INSERT INTO taskbuffer_attempt (job_id, number, state, request_id, nth, queue, node, pilot_id, batch_id, sent_at,
        pilot_error, pilot_error_words, payload_error, payload_error_words, dispatcher_error, data_error,
        server_error_words, digest, answer)
    SELECT id, attempt, 'sent', %s, nth, %s, %s, '', %s, %s, 0, '', 0, '', 0, 0, '', '', '' FROM given
), lives AS (
    INSERT INTO taskbuffer_live (job_id, attempt, queue, state, heartbeat, tail, shown)
    SELECT id, attempt, %s, 'sent', %s, '', '' FROM given
), events AS (
    INSERT INTO taskbuffer_jobevent (job_id, attempt, state_before, state_after, moved_at, moved_by, detail)
    SELECT id, attempt, 'activated', 'sent', %s, %s, %s FROM given
)
SELECT g.id, g.attempt, g.priority, p.panda FROM given g JOIN taskbuffer_jobparameters p ON p.job_id = g.id
ORDER BY g.nth
"""


def take(order: ClaimOrder, candidates: Sequence[int], now: datetime) -> list[Row]:
    """Take the first candidates that are still queued; answer number, attempt, priority and dictionary of each.

    Raises:
        AnsweredBefore: the request was.
    """
    at = stamp(now)
    values = (
        list(candidates), list(order.buckets), order.count, order.node,
        order.request_id, order.queue, order.node, order.batch_id, at,
        order.queue, now.timestamp(),
        at, order.by, order.node,
    )  # fmt: skip
    # Nothing has to be begun and committed around one statement; inside a transaction it gets a place to go back to.
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext(), connection.cursor() as cursor:
            cursor.execute(_TAKE, values)
            return list(cursor.fetchall())
    except IntegrityError as twice:
        raise AnsweredBefore from twice
