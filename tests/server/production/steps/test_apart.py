"""What is wrong with one task, or with one row, stops no step for the others, and is told."""

from __future__ import annotations

import pytest

from server.production.models import Chunk, Task, TaskEvent
from server.production.steps import collect, submit
from server.production.totals import count as totals
from tests.server.production.conftest import define_data, reload, turn, work


@pytest.mark.parametrize("limits", [{"jobs_per_task": "many", "merge_target": -1}, [1], {"of_old": 3}])
def test_limits_that_cannot_be_are_passed_over(queue, pilot, limits):
    task = define_data(runs=1, chunks=2, limits=limits)
    work(pilot)
    assert reload(task).state == "done"


def test_a_task_of_an_unknown_type_is_left_out_and_its_history_says_so_once(queue, pilot):
    odd = define_data(name="odd", runs=1, chunks=1)
    good = define_data(name="good", runs=1, chunks=1, slot=2)
    turn()
    assert submit.submit_chunks() == 0
    Task.objects.filter(pk=odd.pk).update(type="from_the_future")
    work(pilot)
    collect.sweep()
    totals.count_totals()
    assert reload(good).state == "done"
    assert Chunk.objects.get(task=odd).state == "sent"
    event = TaskEvent.objects.get(task=odd, after="incident")
    assert event.by == "production.submit"
    assert event.words.endswith("'from_the_future' is no type of task that this version knows")


def test_a_chunk_that_cannot_be_moved_stops_the_collection_of_no_other(queue, pilot):
    task = define_data(runs=1, chunks=3)
    turn()
    Chunk.objects.filter(task=task, number=2).update(state="torn")
    pilot.run()
    assert collect.collect() == 2
    assert collect.collect() == 0
    assert sorted(Chunk.objects.values_list("state", flat=True)) == ["finished", "finished", "torn"]
    event = TaskEvent.objects.get(task=task, after="incident")
    assert (event.by, "'torn' is not a valid ChunkState" in event.words) == ("production.collect", True)
