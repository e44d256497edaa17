"""Several resends of a task, and several tasks of one resend: none of them loses what another has done."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from server.production import logic
from server.production.logic import TaskRefused
from server.production.models import Chunk, MergeGroup, Run, Task
from server.production.resend import plan
from server.production.resend.wishes import What, Wish
from tests.server.production.conftest import define_data, reload

_NO_QUOTES = str.maketrans("", "", '"`')
RUNS = (278473, 278474, 278475)


@pytest.fixture
def over(queue):
    """A task of three runs with one chunk each, which was ended early."""
    task = define_data("ddd_filtering", runs=3, chunks=1)
    Chunk.objects.update(state="cancelled")
    Task.objects.update(state="finished", finished="2026-01-02T03:04:05+00:00")
    return reload(task)


def again(run):
    return logic.resend_task("data", Wish(What.CHUNKS, run), by="ada", why="the disk was full")


def test_an_earlier_resend_that_is_undone_does_not_end_a_task_of_which_a_later_one_is_on_its_way(over):
    ended = over.finished
    first, second, third = (again(run) for run in RUNS)
    for one in (second, first):
        logic.undo_resend(one.pk, by="ada")
        assert reload(over).state == "send"
    assert Chunk.objects.filter(state="defined").count() == 1
    logic.undo_resend(third.pk, by="ada")
    assert (reload(over).state, over.finished) == ("finished", ended)
    assert set(Chunk.objects.values_list("state", flat=True)) == {"cancelled"}


def test_what_is_paused_goes_on_before_its_resend_is_undone(over):
    record = again(RUNS[0])
    logic.move_task("data", "paused", by="ada")
    with pytest.raises(TaskRefused, match=r"task data is paused; let it go on \(running\) first"):
        logic.undo_resend(record.pk, by="ada")
    logic.move_task("data", "running", by="ada")
    logic.undo_resend(record.pk, by="ada")
    assert reload(over).state == "finished"


def test_what_a_part_has_become_is_said_where_a_resend_cannot_be_undone(over):
    record = again(RUNS[0])
    logic.move_task("data", "cancelled", by="ada")
    with pytest.raises(TaskRefused, match="a part of it is cancelled by now"):
        logic.undo_resend(record.pk, by="ada")


def test_a_refusal_names_some_runs_and_counts_the_others(over, monkeypatch):
    monkeypatch.setattr(plan, "NAMED", 2)
    monkeypatch.setattr(plan, "BATCH", 1)
    for number, run in enumerate(Run.objects.all()):
        group = MergeGroup.objects.create(task=over, run=run, kind="dump", number=number, state="finished")
        chunk = run.chunks.get()
        made = chunk.outputs.create(task=over, run=run, kind="dump", lfn=f"{number}", endpoint="DISK", size=1)
        group.inputs.create(output=made)
    refused = logic.preview_resend("data", Wish(What.FAILED)).refused
    words = [f"files of run {run} of task data are merged already" for run in RUNS[:2]]
    assert [one.partition(":")[0] for one in refused] == [*words, "so are those of 1 more run"]


def test_tasks_are_held_before_any_of_their_rows_is_moved(tasks):
    Chunk.objects.filter(task=tasks[0]).update(state="finished")
    Chunk.objects.filter(task=tasks[1]).update(state="staged")
    wish = Wish(What.CHUNKS)
    with CaptureQueriesContext(connection) as asked:
        record = logic.resend_task(tasks[0].name, wish, by="ada", why="the disk was full")
    assert _held_before_moved(asked)
    with CaptureQueriesContext(connection) as asked:
        logic.undo_resend(record.pk, by="ada")
    assert _held_before_moved(asked)


def _held_before_moved(asked):
    """Whoever holds a task waits for its chunks: nobody may hold chunks and wait for their task."""
    said = [one["sql"].translate(_NO_QUOTES) for one in asked]
    held = [at for at, sql in enumerate(said) if sql.startswith("SELECT") and "FROM production_task " in sql]
    moved = next(at for at, sql in enumerate(said) if sql.startswith("UPDATE production_chunk "))
    return bool(held) and max(held) < moved
