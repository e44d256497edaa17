"""Retries come later each time, and only for tasks that are on their way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.pandaconfig.logic import define_queue
from server.production import logic, steering
from server.production.models import Chunk, Task, TaskEvent
from server.production.resend.wishes import What, Wish
from server.production.rules.models import ProductionRule
from server.production.steps import collect, retry, submit
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.logic import reset as resets
from server.taskbuffer.models import Job
from tests.server.production.conftest import failed


@pytest.fixture
def failures(tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1246)
    submit.submit_chunks()
    pilot.run()
    collect.collect()
    assert Chunk.objects.filter(state="failed").count() == 6
    return tasks


def test_a_retry_waits_for_its_time(failures, settings):
    now = timezone.now()
    Chunk.objects.update(due=now + timedelta(hours=1))
    assert retry.retry_failed(now) == 0
    assert retry.retry_failed(now + timedelta(hours=1, seconds=1)) == 6
    assert retry.retry_failed(now + timedelta(days=9)) == 0
    assert set(Chunk.objects.filter(task=failures[0]).values_list("state", "attempts")) == {("sent", 2)}


@pytest.mark.parametrize(("said", "hours"), [({"retry_delay": 3600}, 1), ({"retry_delay": 10 * 86400}, 24)])
def test_when_it_is_tried_again_is_written_with_the_failure(tasks, pilot, settings, said, hours):
    settings.PRODUCTION = said
    pilot.spoil = lambda job: failed(payload_error=1246)
    submit.submit_chunks()
    pilot.run(most=1)
    collect.collect()
    chunk = Chunk.objects.get(state="failed")
    assert abs((chunk.due - timezone.now()).total_seconds() - hours * 3600) < 60
    assert retry.retry_failed(chunk.due - timedelta(seconds=1)) == 0
    assert retry.retry_failed(chunk.due) == 1
    chunk.refresh_from_db()
    assert (chunk.state, chunk.attempts, chunk.due) == ("sent", 2, None)


def test_what_is_not_due_yet_hides_nothing_that_is(failures, settings, django_assert_max_num_queries):
    settings.PRODUCTION = {"retry_delay": 0, "events_per_cycle": 2}
    now, (*early, last) = timezone.now(), Chunk.objects.filter(state="failed").order_by("id")
    Chunk.objects.filter(pk__in=[chunk.pk for chunk in early]).update(due=now + timedelta(hours=1))
    assert retry.retry_failed(now) == 1
    assert Chunk.objects.get(pk=last.pk).state == "sent"
    with django_assert_max_num_queries(2):
        assert retry.retry_failed(now) == 0


def test_attempts_that_are_allowed_later_are_made(failures, settings):
    Task.objects.update(max_attempts=1)
    assert retry.retry_failed() == 0
    steering.change_task("mc2016_gen", {"max_attempts": 2}, by="ada", why="the node was bad")
    assert retry.retry_failed() == 6


def test_a_queue_that_is_full_takes_no_retries_and_what_waits_for_it_hides_nothing(failures, settings):
    settings.PRODUCTION = {"retry_delay": 0, "queued_per_queue": 2}
    now = timezone.now()
    assert retry.retry_failed(now) == 2
    assert retry.retry_failed(now) == 0
    assert Chunk.objects.filter(state="failed", due=now + retry.NO_ROOM).count() == 4
    settings.PRODUCTION = {"retry_delay": 0, "queued_per_queue": 5}
    assert retry.retry_failed(now + retry.NO_ROOM) == 3


@pytest.mark.parametrize(("named", "where"), [("", "OTHER"), ("LOCAL", "LOCAL")])
def test_a_job_goes_to_another_queue_by_rule_unless_its_task_names_its_own(failures, named, where):
    storages = {name: ["DISK"] for name in ("pr", "pw", "pl")}
    define_queue({"nickname": "OTHER", "status": "online", "astorages": storages})
    ProductionRule.objects.create(name="bad node", payload_error=1246, action="elsewhere")
    first, second, *_ = chunks = list(Chunk.objects.filter(state="failed").order_by("id"))
    Chunk.objects.filter(pk__in=(first.pk, second.pk)).update(rule="bad node")
    Task.objects.filter(pk=first.task_id).update(queue=named)
    assert retry.retry_failed() == 6
    queues = dict(Job.objects.values_list("pk", "queue"))
    assert [queues[chunk.job_id] for chunk in chunks] == [where, where, *["LOCAL"] * 4]
    assert TaskEvent.objects.filter(chunk=first).latest("pk").words == "attempt 2, by rule 'bad node'"


def test_what_is_sent_again_has_all_attempts_of_a_round(failures, pilot, settings):
    """Its job is numbered from 2, so that it takes the place of former files; that is no attempt of this round."""
    settings.PRODUCTION = {"retry_delay": 0, "failing_jobs": 1000}
    (chunk, *_), runs = Chunk.objects.filter(task=failures[0]).order_by("id"), []
    Chunk.objects.exclude(pk=chunk.pk).update(state="cancelled")
    logic.resend_task("mc2016_gen", Wish(What.FAILED), by="ada", why="the disk was full")
    pilot.spoil = lambda job: runs.append(job.attempt) or failed(payload_error=1246)
    for _ in range(12):
        submit.submit_chunks()
        pilot.run()
        collect.collect()
        retry.retry_failed()
    chunk.refresh_from_db()
    assert (runs, chunk.state, chunk.attempts) == ([2, 3, 4, 5, 6], "failed", 5)


def test_a_paused_task_retries_nothing(failures):
    logic.move_task("mc2016_gen", "paused", by="manager")
    assert retry.retry_failed() == 0


def test_a_task_that_is_cancelled_meanwhile_gets_no_attempt(failures):
    chunks = list(Chunk.objects.filter(state="failed"))
    logic.move_task("mc2016_gen", "cancelled", by="manager")
    assert retry._again(chunks, retry.Cycle(timezone.now())) == 0
    assert set(Job.objects.values_list("state", flat=True)) == {"failed"}


def test_a_job_that_a_person_tried_again_gets_no_second_one(failures):
    chunks = Chunk.objects.filter(task=failures[0]).order_by("id")
    first, second, *others = chunks.values_list("job_id", flat=True)
    taskbuffer.retry([first, second], by="person")
    taskbuffer.kill([second], by="person")
    assert retry.retry_failed() == 5
    assert dict(chunks.values_list("job_id", "state")) == {
        first: "failed",
        None: "staged",
        **dict.fromkeys(others, "sent"),
    }
    collect.collect()
    assert Chunk.objects.get(job_id=first).state == "sent"


def test_a_job_that_another_one_has_replaced_is_not_reset(failures, settings):
    settings.PRODUCTION = {"retry_delay": 0, "failing_jobs": 100}
    chunks = Chunk.objects.filter(task=failures[0]).order_by("id")
    first, second, *_ = chunks.values_list("job_id", flat=True)
    taskbuffer.retry([first], by="person")
    taskbuffer.kill([first], by="person")
    assert retry.retry_failed() == 6
    submit.submit_chunks()
    taskbuffer.kill([second], by="person")
    assert resets.preview([first, second]).jobs == (second,)
    done = resets.reset(resets.numbers_of_task(failures[0].pk), by="person", why="the disk was full")
    assert done.jobs == (second,)
    assert done.refused == {first: "its production has given it up for another job"}
    queued = Job.objects.filter(state="activated", task_id=failures[0].pk)
    assert set(queued.values_list("pk", flat=True)) == set(chunks.values_list("job_id", flat=True))


def test_many_retries_are_ordered_in_short_transactions(failures, monkeypatch):
    monkeypatch.setattr(retry, "AT_ONCE", 4)
    assert retry.retry_failed() == 6
    assert set(Job.objects.values_list("state", "attempt")) == {("activated", 2)}
