"""Failed jobs are tried again as the rules say."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from server.pandaconfig.logic import define_queue
from server.pandaconfig.models import UserLimits
from server.taskbuffer import logic
from server.taskbuffer.again import RULES, read_rules
from server.taskbuffer.limits import Limits
from server.taskbuffer.models import Attempt, Job, JobEvent, JobParameters, RetryRule
from tests.server import jobs

MB = 2**20
PAYLOAD_FAILED, PASSES = 1305, 1099


def rule(**fields) -> RetryRule:
    made = RetryRule(**{"source": "pilot", "code": PAYLOAD_FAILED, "action": "retry", "comment": "why", **fields})
    made.full_clean()
    made.save()
    RULES.forget()
    return made


def failed(queue: str = "LOCAL", *, code: int = PAYLOAD_FAILED, max_rss: int | None = None, **fields) -> int:
    (job_id,) = jobs.submit(queue=queue, **fields)
    fail(job_id, queue, code=code, max_rss=max_rss)
    return job_id


def fail(job_id: int, queue: str = "LOCAL", *, code: int = PAYLOAD_FAILED, max_rss: int | None = None) -> None:
    (given,) = jobs.claim(queue)
    assert given["PandaID"] == job_id
    jobs.report(job_id, "failed", given["attemptNr"], pilot_error=code, pilot_error_words="no luck", max_rss=max_rss)


def last_words(job_id: int) -> str:
    return JobEvent.objects.filter(job=job_id).last().detail


def test_a_rule_has_a_job_tried_again_and_its_history_says_so(queue):
    number = rule().pk
    job_id = failed()
    assert jobs.state_of(job_id) == "activated"
    assert last_words(job_id) == f"another attempt after error 1305; rule {number} (why)"
    fail(job_id)
    fail(job_id)
    assert jobs.state_of(job_id) == "failed"
    assert last_words(job_id).startswith("no luck; ")
    assert last_words(job_id).endswith(f"; rule {number} (why): 3 attempts at most")
    jobs.audit()


def test_a_rule_ends_what_would_have_been_tried_again(queue):
    number = rule(code=PASSES, action="none").pk
    job_id = failed(code=PASSES)
    assert jobs.state_of(job_id) == "failed"
    assert last_words(job_id).endswith(f"; rule {number} (why): no further attempt")


def test_a_killed_job_is_tried_again_by_no_rule(queue):
    rule()
    (job_id,) = jobs.submit()
    jobs.claim()
    logic.kill([job_id], by="alice")
    jobs.report(job_id, "failed", pilot_error=PAYLOAD_FAILED)
    assert jobs.state_of(job_id) == "cancelled"


def test_a_rule_may_be_about_missing_outputs(queue):
    rule(source="data", code=200)
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.report(job_id, "finished", files=jobs.stored("job.log.tgz"))
    assert jobs.state_of(job_id) == "activated"
    assert last_words(job_id).startswith("another attempt; rule ")
    jobs.audit()


def test_a_rule_may_be_about_lost_pilots(queue):
    number = rule(source="dispatcher", code=102, action="none").pk
    (job_id,) = jobs.submit()
    jobs.claim()
    logic.reap_lost(now=jobs.NOW + timedelta(hours=1), limits=Limits())
    assert jobs.state_of(job_id) == "failed"
    assert last_words(job_id).endswith(f"; rule {number} (why): no further attempt")


def test_more_memory_is_ordered_for_the_next_attempt_and_its_pilot_is_told(queue):
    rule(action="memory", factor=1.5, memory_limit=4000)
    job_id = failed(memory=2000 * MB, max_rss=2100 * 1024)
    job = Job.objects.get(pk=job_id)
    assert job.bucket.memory == 3150 * MB
    assert orjson.loads(JobParameters.objects.get(pk=job_id).panda)["minRamCount"] == 3150
    assert jobs.claim()[0]["minRamCount"] == 3150
    assert "with 3150 MB of memory" in JobEvent.objects.filter(job=job_id, after="activated").last().detail
    jobs.audit()


def test_elsewhere_is_another_queue_that_is_online_and_fits(queue):
    rule(action="elsewhere")
    define_queue({"nickname": "SMALL", "status": "online", "corecount": 1})
    define_queue({"nickname": "OFF", "status": "offline"})
    define_queue({"nickname": "USERS", "status": "online", "corecount": 8, "type": "analysis"})
    define_queue({"nickname": "OTHER", "status": "online", "corecount": 8})
    job_id = failed(cores=4)
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.queue, job.bucket.queue, job.bucket.cores) == ("activated", "OTHER", "OTHER", 4)
    assert last_words(job_id).endswith("in another queue; OTHER")
    fail(job_id, "OTHER")
    assert Job.objects.get(pk=job_id).queue == "OTHER"
    assert last_words(job_id).endswith("in another queue; no other queue fits")
    assert [attempt.queue for attempt in Attempt.objects.order_by("number")] == ["LOCAL", "OTHER"]
    jobs.audit()


def test_elsewhere_is_where_brokerage_sends_such_jobs(queue):
    rule(action="elsewhere")
    define_queue({"nickname": "A", "status": "online", "releases": "R1|R2"})
    define_queue({"nickname": "B", "status": "online", "type": "analysis"})
    define_queue({"nickname": "C", "status": "online", "type": "production", "releases": "R3"})
    job_id = failed(label="managed", release="R3", user="ada")
    assert Job.objects.get(pk=job_id).queue == "C"


def test_how_many_jobs_a_user_may_have_queued_keeps_none_of_his_from_going_elsewhere(queue):
    rule(action="elsewhere")
    define_queue({"nickname": "OTHER", "status": "online"})
    UserLimits.objects.create(name="ada", max_queued=1)
    (waiting,) = jobs.submit(user="ada", cores=2)
    assert Job.objects.get(pk=failed(user="ada", priority=5)).queue == "OTHER"
    assert jobs.state_of(waiting) == "activated"


def test_more_memory_than_its_queue_has_sends_a_job_to_one_that_has_it(queue):
    rule(action="memory", factor=1.5, memory_limit=30000)
    define_queue({"nickname": "HIGH", "status": "online", "corecount": 8, "maxrss": 20000})
    job_id = failed(memory=15000 * MB)
    job = Job.objects.get(pk=job_id)
    assert (job.queue, job.bucket.queue, job.bucket.memory) == ("HIGH", "HIGH", 20000 * MB)
    assert "with 20000 MB of memory, and its queue has 16000 MB (maxrss); HIGH" in last_words(job_id)
    fail(job_id, "HIGH")
    assert jobs.state_of(job_id) == "failed"
    assert "no queue has more than 20000 MB (maxrss)" in last_words(job_id)
    jobs.audit()


def test_a_job_that_no_queue_with_more_memory_takes_has_what_its_own_has(queue):
    rule(action="memory", factor=1.5, memory_limit=30000)
    define_queue({"nickname": "HIGH", "status": "online", "maxrss": 20000})
    job_id = failed(memory=15000 * MB, cores=4)
    job = Job.objects.get(pk=job_id)
    assert (job.queue, job.bucket.memory) == ("LOCAL", 16000 * MB)
    assert last_words(job_id).endswith("no other queue fits; with 16000 MB, which is what its queue has")
    assert jobs.claim()[0]["minRamCount"] == 16000


def test_a_job_that_would_have_more_memory_than_any_queue_has_has_the_most_there_is(queue):
    rule(action="memory", factor=2, memory_limit=40000)
    job_id = failed(memory=9000 * MB)
    assert Job.objects.get(pk=job_id).bucket.memory == 16000 * MB
    assert last_words(job_id).endswith("with 16000 MB of memory, the most that any queue has")
    fail(job_id)
    assert jobs.state_of(job_id) == "failed"


def test_the_resource_type_follows_the_memory(queue):
    rule(action="memory", factor=2, memory_limit=8000)
    job_id = failed(memory=1500 * MB, resource_type="SCORE")
    assert orjson.loads(JobParameters.objects.get(pk=job_id).panda)["resource_type"] == "SCORE_HIMEM"


def test_elsewhere_may_be_some_queues_only(queue):
    define_queue({"nickname": "A", "status": "online"})
    define_queue({"nickname": "B", "status": "online"})
    rule(action="elsewhere", queues="B")
    assert Job.objects.get(pk=failed()).queue == "B"


def test_rules_count_in_their_order_while_enabled_and_not_expired(db):
    first = rule(place=1)
    rule(place=3, enabled=False)
    rule(place=2, expires_at=jobs.NOW)
    rule(place=0, expires_at=jobs.NOW + timedelta(days=1), code=7)
    assert [one.code for one in read_rules(jobs.NOW)] == [7, first.code]


def test_without_rules_nothing_is_asked_about_the_job(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    RULES.of(None)
    with CaptureQueriesContext(connection) as seen:
        jobs.report(job_id, "failed", pilot_error=PAYLOAD_FAILED)
    assert not [query for query in seen if "taskbuffer_bucket" in query["sql"] or "retryrule" in query["sql"]]


@pytest.mark.parametrize(
    ("field", "fields", "words"),
    [
        ("memory_limit", {"action": "memory"}, "say how much memory"),
        ("factor", {"action": "memory", "memory_limit": 10, "factor": 1}, "1 is not above 1 and at most 10"),
        ("queues", {"queues": "LOCAL"}, "only a rule that tries jobs in another queue"),
        ("queues", {"action": "elsewhere", "queues": "LOCAL, NOWHERE"}, "NOWHERE&#x27; is not known here"),
        ("code", {"code": 0}, "leave it empty for any"),
        ("source", {"source": "moon"}, "moon is not one of"),
    ],
)
def test_a_rule_that_could_not_do_what_it_says_is_refused(admin_client, queue, field, fields, words):
    made = {"place": 1, "enabled": "on", "source": "pilot", "action": "retry", "most_attempts": 0, "factor": 1.5}
    answer = admin_client.post("/admin/taskbuffer/retryrule/add/", {**made, "memory_limit": 0, "words": "", **fields})
    assert answer.status_code == 200
    assert words in str(answer.context["errors"])
    assert field in answer.context["adminform"].form.errors
    assert not RetryRule.objects.exists()
