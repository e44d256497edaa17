"""Runs and chunks come from the run lines or from the parent; seeds are always the same and never twice the same."""

from __future__ import annotations

from itertools import islice

from server.production import logic
from server.production.models import Chunk, Run, Task
from server.production.steps.define import LARGEST_SEED, define_ready_tasks, seeds
from tests.server.production.conftest import GENERATION, RECONSTRUCTION


def ready(definition) -> Task:
    task = logic.define_task(definition, by="manager")
    return logic.move_task(task.name, "ready", by="manager")


def test_a_ready_generation_gets_its_runs_and_chunks_in_order(queue):
    task = ready({**GENERATION, "runs": "278474, 2\n278473, 1"})
    assert define_ready_tasks() == 1
    assert list(Run.objects.values_list("number", flat=True)) == [278473, 278474]
    chunks = Chunk.objects.order_by("run__number", "number")
    assert [(chunk.run.number, chunk.number, chunk.events_ordered, chunk.state) for chunk in chunks] == [
        (278473, 1, 100, "staged"),
        (278474, 1, 100, "staged"),
        (278474, 2, 100, "staged"),
    ]
    task.refresh_from_db()
    assert task.state == "jobs_ready"


def test_defining_again_changes_nothing(queue):
    ready(GENERATION)
    assert [define_ready_tasks(), define_ready_tasks()] == [1, 0]
    assert Chunk.objects.count() == 6


def test_a_ready_reconstruction_waits_for_its_parents_chunks(queue):
    logic.define_task(GENERATION, by="manager")
    ready(RECONSTRUCTION)
    assert define_ready_tasks() == 0
    logic.start_task("mc2016_gen", by="manager")
    assert define_ready_tasks() == 1
    chunks = Chunk.objects.filter(task__name="mc2016_reco").select_related("run", "parent__run")
    assert len(chunks) == 6
    assert all((chunk.run.number, chunk.number) == (chunk.parent.run.number, chunk.parent.number) for chunk in chunks)
    assert {chunk.state for chunk in chunks} == {"defined"}


def test_seeds_are_the_same_for_a_name_and_different_within_it():
    first = list(islice(seeds("a"), 1000))
    assert first == list(islice(seeds("a"), 1000))
    assert len(set(first)) == 1000
    assert all(1 <= seed <= LARGEST_SEED for seed in first)
    assert first[0] != next(seeds("b"))


def test_many_chunks_take_few_statements(queue, django_assert_max_num_queries):
    ready({**GENERATION, "runs": "1, 1000"})
    with django_assert_max_num_queries(30):
        define_ready_tasks()
    assert Chunk.objects.count() == 1000
