"""A claim on PostgreSQL: one statement, which looks, takes and is a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime

from django.db import IntegrityError, connection, transaction

from server.taskbuffer.hot.rows import AnsweredBefore, Row, stamp
from server.taskbuffer.values import ClaimOrder

#: One bounded walk along the index per bucket; with `bucket_id = ANY(...)` all that is queued would be sorted. The
#: bounds are written out: the plan is made before their values are known.
_LOOKED = """
    SELECT r.here, r.place FROM unnest(%s::bigint[], %s::bigint[]) AS b(bucket, least) CROSS JOIN LATERAL (
        SELECT ctid AS here, place FROM taskbuffer_ready WHERE bucket_id = b.bucket AND place >= b.least
        ORDER BY bucket_id, place LIMIT {wanted}
    ) r ORDER BY r.place LIMIT {wanted}
"""
#: Since they were looked at, one may have gone to another bucket.
_NAMED = """
    SELECT ctid AS here, place FROM taskbuffer_ready WHERE job_id = ANY(%s::bigint[]) AND bucket_id = ANY(%s::bigint[])
"""

#: Rows that somebody else is taking are passed over; the unique name of the request undoes all of it the second time.
#: Rows of the queue, which are never updated, are found again by where they lie: a join would be made for a queue as
#: short as it was when the plan was made.
_TAKE = """
WITH looked AS ({looked}), first AS (
    SELECT ctid AS here, place FROM taskbuffer_ready WHERE ctid = ANY(ARRAY(SELECT here FROM looked))
    ORDER BY place LIMIT {count} FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM taskbuffer_ready WHERE ctid = ANY(ARRAY(SELECT here FROM first)) RETURNING job_id, bucket_id, place
), moved AS (
    UPDATE taskbuffer_job SET state = 'sent', node = %s
    WHERE id = ANY(ARRAY(SELECT job_id FROM taken)) AND state = 'activated' RETURNING id, attempt, priority
), given AS (
    SELECT m.id, m.attempt, m.priority, t.bucket_id, t.place, row_number() OVER (ORDER BY t.place) - 1 AS nth
    FROM moved m JOIN taken t ON t.job_id = m.id
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
SELECT g.id, g.attempt, g.priority, (SELECT panda FROM taskbuffer_jobparameters WHERE job_id = g.id), g.bucket_id,
    g.place, n.looked
FROM (SELECT count(*) AS looked FROM looked) n LEFT JOIN given g ON TRUE ORDER BY g.nth
"""


def take_first(order: ClaimOrder, starts: Sequence[int], wanted: int, now: datetime) -> tuple[list[Row], bool]:
    """Take the first jobs of the order's buckets, each looked into from its start on.

    Answer number, attempt, priority, dictionary, bucket and rank of each, and whether there were any to be taken: when
    none was although there were, others have been faster.

    Raises:
        AnsweredBefore: the request was.
    """
    return _taken(order, _LOOKED.format(wanted=wanted), (list(order.buckets), list(starts)), now)


def take(order: ClaimOrder, candidates: Sequence[int], now: datetime) -> list[Row]:
    """Take the first candidates that are still queued; answer what is known of each, as `take_first` does.

    Raises:
        AnsweredBefore: the request was.
    """
    return _taken(order, _NAMED, (list(candidates), list(order.buckets)), now)[0]


def _taken(order: ClaimOrder, looked: str, where: Row, now: datetime) -> tuple[list[Row], bool]:
    at = stamp(now)
    values = (
        *where, order.node,
        order.request_id, order.queue, order.node, order.batch_id, at,
        order.queue, now.timestamp(),
        at, order.by, order.node,
    )  # fmt: skip
    # Nothing has to be begun and committed around one statement; inside a transaction it gets a place to go back to.
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext(), connection.cursor() as cursor:
            cursor.execute(_TAKE.format(looked=looked, count=order.count), values)
            found = cursor.fetchall()
    except IntegrityError as twice:
        raise AnsweredBefore from twice
    return [row for row in found if row[0] is not None], found[0][-1] > 0
