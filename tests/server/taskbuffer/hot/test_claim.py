"""A pilot gets jobs."""

from __future__ import annotations

import re
import threading

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from server.taskbuffer.hot import portable, postgresql
from server.taskbuffer.models import Attempt, Bucket, Job, Live, Ready
from server.taskbuffer.values import ClaimOrder
from tests.server import jobs


def numbers(given):
    return [job["PandaID"] for job in given]


def test_a_claim_moves_the_job_and_says_to_whom_it_went(queue):
    (job_id,) = jobs.submit()
    (given,) = jobs.claim(request_id="request-0001")
    assert given["PandaID"] == job_id
    attempt = Attempt.objects.get()
    assert (attempt.job_id, attempt.number, attempt.state, attempt.node) == (job_id, 1, "sent", "wn1")
    assert (attempt.request_id, attempt.nth) == ("request-0001", 0)
    assert Live.objects.get().heartbeat == jobs.NOW.timestamp()
    assert jobs.moves_of(job_id) == [(1, "activated"), (1, "sent")]
    assert jobs.claim() == []
    jobs.audit()


def test_higher_priority_goes_first_and_among_equals_the_older_job(queue):
    low, first, second = jobs.submit(priority=1) + jobs.submit(priority=9) + jobs.submit(priority=9)
    assert [jobs.claim()[0]["PandaID"] for _ in range(3)] == [first, second, low]


def test_priority_decides_across_buckets(queue):
    ids = [jobs.submit(cores=cores, priority=priority)[0] for cores, priority in [(1, 5), (2, 50), (4, 20)]]
    assert numbers(jobs.claim(count=3)) == [ids[1], ids[2], ids[0]]


def test_a_job_that_went_to_another_bucket_since_it_was_looked_at_is_not_given(queue):
    here, there = jobs.submit()[0], jobs.submit(cores=8)[0]
    take = postgresql.take if connection.vendor == "postgresql" else portable.take
    order = ClaimOrder((Job.objects.get(pk=here).bucket_id,), "request-0001", queue, count=2)
    assert [row[0] for row in take(order, [there, here], jobs.NOW)] == [here]
    assert jobs.state_of(there) == "activated"
    jobs.audit()


def test_several_jobs_at_once_are_several_attempts_of_one_request(queue):
    ids = jobs.submit(5)
    assert numbers(jobs.claim(request_id="request-0001", count=3)) == ids[:3]
    assert list(Attempt.objects.order_by("nth").values_list("job_id", "nth")) == list(zip(ids, range(3), strict=False))
    assert Ready.objects.count() == 2


def test_a_repeated_request_gets_the_same_jobs(queue):
    jobs.submit(5)
    first = jobs.claim(request_id="request-0001", count=2)
    assert jobs.claim(request_id="request-0001", count=2) == first
    assert Attempt.objects.count() == 2
    jobs.audit()


def test_a_repeated_request_gets_its_job_even_when_the_queue_is_empty(queue):
    jobs.submit(1)
    first = jobs.claim(request_id="request-0001")
    assert jobs.claim(request_id="request-0001") == first
    assert jobs.claim(request_id="request-0002") == []


def test_a_repeated_request_gets_nothing_once_its_attempt_is_over(queue):
    (job_id, _) = jobs.submit(2)
    jobs.claim(request_id="request-0001")
    jobs.finish(job_id)
    assert jobs.claim(request_id="request-0001") == []
    assert Ready.objects.count() == 1


def test_a_request_of_another_queue_does_not_see_the_jobs(queue):
    from server.pandaconfig.logic import define_queue

    define_queue({"nickname": "OTHER", "status": "online"})
    jobs.submit()
    jobs.claim(request_id="request-0001")
    assert jobs.claim("OTHER", request_id="request-0001") == []


def test_only_jobs_of_a_task_are_given_when_the_pilot_asks_so(queue):
    jobs.submit(3, task_id=1)
    (wanted,) = jobs.submit(task_id=2)
    assert numbers(jobs.claim(task_id=2)) == [wanted]
    assert jobs.claim(task_id=2) == []


def test_only_the_named_buckets_are_looked_into(queue):
    jobs.submit(cores=1)
    (wanted,) = jobs.submit(cores=2)
    Bucket.objects.filter(cores=1).update(queue="ELSEWHERE")
    assert numbers(jobs.claim(count=5)) == [wanted]


def test_hundreds_of_buckets_are_looked_into(queue):
    ids = [jobs.submit(memory=number * 2**20, priority=number)[0] for number in range(150)]
    assert numbers(jobs.claim(count=2)) == [ids[149], ids[148]]


@pytest.mark.parametrize("waiting", [1, 300])
def test_a_claim_takes_the_same_few_statements_however_many_jobs_wait(queue, waiting):
    jobs.submit(waiting)
    bucket = Bucket.objects.get().pk
    from server.taskbuffer.hot import claim
    from server.taskbuffer.values import ClaimOrder

    with CaptureQueriesContext(connection) as statements:
        claim(ClaimOrder((bucket,), "request-0001", "LOCAL"), jobs.NOW)
    executed = [each["sql"] for each in statements if not each["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    # On PostgreSQL one statement. Elsewhere: look, then seven in a transaction.
    assert len(executed) == (1 if connection.vendor == "postgresql" else 8)


def test_an_idle_poll_is_two_reads_and_no_lock(queue):
    jobs.submit()
    jobs.claim()
    bucket = Bucket.objects.get().pk
    from server.taskbuffer.hot import claim
    from server.taskbuffer.values import ClaimOrder

    assert jobs.claim() == []  # behind the last job, and then from the top
    with CaptureQueriesContext(connection) as statements:
        claim(ClaimOrder((bucket,), "request-0001", "LOCAL"), jobs.NOW)
    words = [each["sql"].split()[0] for each in statements]
    kept = [word for word in words if word not in ("SAVEPOINT", "RELEASE")]  # of the test's own transaction
    assert kept == ["WITH" if connection.vendor == "postgresql" else "SELECT", "SELECT"]


#: By database: how a plan is asked for, what has to stand in it, and what must not. PostgreSQL sorts the few that were
#: found in all buckets, after the limit of each.
PLANS = {
    "sqlite": ("EXPLAIN QUERY PLAN", "COVERING INDEX ready_order", "TEMP B-TREE"),
    "postgresql": (
        "EXPLAIN",
        r"-> +Limit [^>]*-> +Index (Only )?Scan using ready_order",
        "Seq Scan on taskbuffer_ready",
    ),
    "mysql": ("EXPLAIN", "ready_order", "filesort"),
}


def test_the_queue_is_read_along_its_index_and_never_sorted(queue):
    jobs.submit(400)
    explain, wanted, unwanted = PLANS[connection.vendor]
    with CaptureQueriesContext(connection) as statements:
        jobs.claim()
    (look,) = [each["sql"] for each in statements if "ORDER BY bucket_id, place" in each["sql"]]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE taskbuffer_ready")
        cursor.execute(f"{explain} {look}")
        plan = " ".join(str(value) for row in cursor.fetchall() for value in row)
    assert re.search(wanted, plan)
    assert unwanted not in plan


def test_a_job_cannot_stand_in_the_queue_twice(queue):
    (job_id,) = jobs.submit()
    job = Job.objects.get(pk=job_id)
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        Ready.objects.create(job=job, bucket=job.bucket, rank=0)


@pytest.mark.one_python
@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL passes over what somebody holds")
@pytest.mark.parametrize("wanted", [{}, {"task_id": 7}], ids=["any", "of a task"])
@pytest.mark.usefixtures("transactional_db", "queue")
def test_jobs_behind_many_that_somebody_holds_are_given_out_meanwhile(wanted):
    queued, held, given = jobs.submit(30, task_id=7), threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            list(Ready.objects.select_for_update().filter(pk__in=queued[:20]))
            held.set()
            given.wait(30)
        connection.close()

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    assert held.wait(30)
    try:
        assert numbers(jobs.claim(**wanted)) == [queued[20]]
    finally:
        given.set()
        holder.join(30)
    jobs.audit()
