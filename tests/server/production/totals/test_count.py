"""What tasks have made is counted once, and again after something has moved."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from server.production.models import Chunk, Output, TaskEvent
from server.production.queries.tasks import task_lines
from server.production.totals.count import AGAIN, LATEST, count_totals
from server.production.totals.models import TaskTotals
from tests.server.production.conftest import define_data, work

pytestmark = pytest.mark.django_db


def totals(task) -> dict:
    found = vars(TaskTotals.objects.get(pk=task.pk)).copy()
    return {name: value for name, value in found.items() if name not in ("_state", "task_id", "counted")}


def test_a_task_is_counted_when_it_moves_and_not_otherwise(queue, pilot):
    task = define_data(runs=2, chunks=3)
    now = timezone.now()
    assert count_totals(now) == 1
    assert totals(task) == dict.fromkeys(totals(task), 0) | {"runs": 2, "chunks": 6}
    assert count_totals(now) == 0
    work(pilot)
    assert count_totals(timezone.now()) == 1
    counted = totals(task)
    assert (counted["finished"], counted["failed"], counted["events"]) == (6, 0, 540)
    # Of each run an mDST, histograms and a dump; only the mDST tells its events.
    assert (counted["results"], counted["result_events"]) == (6, 540)
    assert counted["result_bytes"] == sum(
        Output.objects.filter(group__isnull=False).exclude(kind="log").values_list("size", flat=True)
    )
    assert count_totals(timezone.now() + 2 * LATEST) == 1  # until what may still come has come
    assert count_totals(timezone.now() + 2 * LATEST) == 0


def test_what_nobody_saw_moving_is_counted_a_day_later_or_when_a_person_asks(queue, pilot, admin_client):
    task = define_data(runs=1, chunks=2)
    now = timezone.now()
    assert count_totals(now) == 1
    # Written by a transaction that took longer than is waited for, or by a machine whose clock is late.
    work(pilot)
    TaskEvent.objects.update(at=now - 2 * LATEST)
    assert count_totals(now + AGAIN - LATEST - timedelta(seconds=1)) == 0
    assert totals(task)["finished"] == 0
    assert count_totals(now + AGAIN) == 1
    assert totals(task)["finished"] == 2
    Chunk.objects.filter(task=task).update(state="failed")
    order = {"action": "count_again", "_selected_action": [task.pk]}
    page = admin_client.post(reverse("admin:production_tasktotals_changelist"), order, follow=True).content.decode()
    assert "1 tasks are counted again" in page
    assert count_totals(now) == 1
    assert totals(task)["failed"] == 2


def test_what_failed_and_what_is_on_tape_is_told_apart(queue, pilot):
    task = define_data(runs=1, chunks=2)
    work(pilot)
    Output.objects.filter(kind="merged_mdst").update(tape="finished", size=70)
    first, second = Chunk.objects.filter(task=task)
    Chunk.objects.filter(pk=first.pk).update(state="failed")
    Chunk.objects.filter(pk=second.pk).update(state="manual_check")
    count_totals()
    assert [totals(task)[name] for name in ("finished", "failed", "taped", "taped_bytes")] == [0, 2, 1, 70]


def test_many_tasks_take_few_questions(queue, django_assert_max_num_queries, monkeypatch):
    for number in range(5):
        define_data(name=f"task{number}", slot=number, runs=1, chunks=1)
    monkeypatch.setattr("server.production.totals.count.AT_ONCE", 3)
    with django_assert_max_num_queries(7):
        assert count_totals() == 3
    assert count_totals(timezone.now() + timedelta(seconds=1)) == 2


def test_events_of_a_large_task_are_those_that_were_counted(queue, pilot, monkeypatch):
    task = define_data(runs=1, chunks=3, events_per_chunk=100)
    work(pilot)
    monkeypatch.setattr("server.production.queries.tasks.LARGE", 2)
    count_totals()
    Chunk.objects.filter(task=task).update(events_done=1)
    (line,) = task_lines([task])
    assert (line.events_generated, line.events_done, line.events_merged) == (300, 270, 270)
    monkeypatch.setattr("server.production.queries.tasks.LARGE", 3)
    (line,) = task_lines([task])
    assert (line.events_generated, line.events_done) == (0, 3)
