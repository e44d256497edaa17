from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.production.models import Chunk, Run, Task
from server.production.notices import task_done, task_stuck
from server.production.states import ChunkState, TaskState

pytestmark = pytest.mark.django_db

NOW = timezone.now()
DAY = timedelta(days=1)


def task(name: str, state: TaskState, **more) -> Task:
    values = {"type": "mc_generation", "production": "p", "year": 2016, "period": "P07", "soft": "s", "queue": "LOCAL"}
    values |= {"priority": 1, "merging_priority": 1, "max_attempts": 3, "owner": "ann"}
    return Task.objects.create(name=name, state=state, **{**values, **more})


def test_a_task_that_ended_is_told_of_once_with_its_owner_and_its_page():
    task("new", TaskState.DONE, finished=NOW)
    task("old", TaskState.DONE, finished=NOW - 5 * DAY)
    task("runs", TaskState.RUNNING)
    (notice,) = task_done(NOW - DAY, NOW)
    assert (notice.subject, notice.path) == ("Task new: done", "/tasks/new")
    assert notice.about == {"owner": "ann", "queue": "LOCAL"}
    Task.objects.update(comment="touched")
    assert [one.key for one in task_done(NOW - DAY, NOW)] == [notice.key]


def test_a_task_that_waits_for_a_person_is_told_of_once_a_day_however_many_of_its_chunks_do(
    django_assert_max_num_queries,
):
    for name in ("stuck", "other"):
        one = task(name, TaskState.RUNNING)
        run = Run.objects.create(task=one, number=1)
        for number in range(3):
            state = ChunkState.MANUAL_CHECK if name == "stuck" else ChunkState.RUNNING
            Chunk.objects.create(task=one, run=run, number=number, state=state)
    with django_assert_max_num_queries(12):
        (notice,) = task_stuck(NOW - DAY, NOW)
    assert notice.subject == "Task stuck: a person has to look"
    assert notice.text == "3 chunks wait for a person to look at them"
    assert [one.key for one in task_stuck(NOW - DAY, NOW)] == [notice.key]
    assert [one.key for one in task_stuck(NOW, NOW + DAY)] != [notice.key]
