"""What a claim costs does not depend on how many jobs are queued, nor on what stands at the head of the queue."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from server.taskbuffer.hot import claim
from server.taskbuffer.hot.places import PLACES, TOP
from server.taskbuffer.models import Bucket, Job
from server.taskbuffer.values import ClaimOrder
from tests.server import jobs

pytestmark = pytest.mark.one_python

FEW = 1000
COLUMNS = ", ".join(field.column for field in Job._meta.concrete_fields if field.column != "id")


@pytest.fixture
def buckets(queue):
    """A bucket that the pilot takes from and one with jobs of high priority that are too large for it, a job each."""
    jobs.submit(cores=1)
    jobs.submit(cores=8, priority=1000)
    yield tuple(Bucket.objects.order_by("cores").values_list("pk", flat=True))
    transaction.set_rollback(True)  # nobody has to look at so many foreign keys


def fill(bucket: int, count: int) -> None:
    """Queue so many jobs like the first one of a bucket, beside those that are there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id), max(id), count(*) FROM taskbuffer_job WHERE bucket_id = %s", [bucket])
        first, last, there = cursor.fetchone()
        while (missing := count - there) > 0:
            cursor.execute(
                f"INSERT INTO taskbuffer_job ({COLUMNS}) SELECT {COLUMNS} FROM taskbuffer_job"
                " WHERE bucket_id = %s ORDER BY id LIMIT %s",
                [bucket, missing],
            )
            there += min(there, missing)
        new = "FROM taskbuffer_job j WHERE j.bucket_id = %s AND j.id > %s"
        cursor.execute(
            "INSERT INTO taskbuffer_jobparameters (job_id, panda)"
            f" SELECT j.id, (SELECT panda FROM taskbuffer_jobparameters WHERE job_id = %s) {new}",
            [first, bucket, last],
        )
        cursor.execute(
            "INSERT INTO taskbuffer_ready (job_id, bucket_id, place)"
            f" SELECT j.id, j.bucket_id, j.id - j.priority * %s {new}",
            [2**40, bucket, last],
        )
    PLACES.forget()


@contextmanager
def counted():
    """Count the rows that are read; on SQLite, which does not say, the steps of its machine."""
    read = []
    if connection.vendor == "sqlite":
        steps = []
        connection.connection.set_progress_handler(lambda: steps.append(1) or 0, 1)
        yield read
        connection.connection.set_progress_handler(None, 0)
        read.append(len(steps))
        return
    before = _read()
    yield read
    read.append(_read() - before)


def _read() -> int:
    text = {
        "postgresql": "SELECT sum(seq_tup_read) + sum(idx_tup_fetch) FROM pg_stat_xact_user_tables",
        "mysql": "SELECT sum(variable_value) FROM information_schema.session_status WHERE variable_name IN"
        " ('HANDLER_READ_NEXT', 'HANDLER_READ_PREV', 'HANDLER_READ_RND_NEXT', 'HANDLER_READ_KEY')",
    }
    with connection.cursor() as cursor:
        cursor.execute(text[connection.vendor])
        return int(cursor.fetchone()[0])


def cost(bucket: int) -> int:
    """Answer what ten claims read, the first of which looks from the top."""
    with counted() as read:
        for _ in range(10):
            assert len(claim(ClaimOrder((bucket,), jobs.uuid.uuid4().hex, "LOCAL"), jobs.NOW)) == 1
    return read[0]


@pytest.mark.parametrize("many", [100_000, pytest.param(1_000_000, marks=pytest.mark.campaign)])
def test_a_claim_reads_no_more_of_a_long_queue_than_of_a_short_one(buckets, many):
    small, large = buckets
    fill(small, FEW)
    few = cost(small)
    fill(small, many * 7 // 10)
    fill(large, many * 3 // 10)
    assert cost(small) <= few * 1.1


def test_a_worker_does_not_pass_over_what_it_has_taken_while_a_transaction_keeps_it(buckets):
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL says how many deleted rows it has passed over")
    small, _ = buckets
    fill(small, FEW)
    for _ in range(300):  # all in the transaction of the test, to which every row is there that it has deleted itself
        claim(ClaimOrder((small,), jobs.uuid.uuid4().hex, "LOCAL"), jobs.NOW)
    assert passed_over(small, TOP) >= 300
    assert passed_over(small, PLACES.start(small)) <= 1


def passed_over(bucket: int, start: int) -> int:
    """Answer how many entries of the index are looked up for one look, in vain."""
    text = f"SELECT place FROM taskbuffer_ready WHERE bucket_id = {bucket} AND place >= {start} ORDER BY place LIMIT 9"
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.execute(f"EXPLAIN (ANALYZE) {text}")
        plan = " ".join(row[0] for row in cursor.fetchall())
    assert "Index Only Scan using ready_order" in plan
    return int(re.search(r"Heap Fetches: (\d+)", plan)[1]) - 9
