"""Runs and chunks come from the run lines or from the parent; seeds are always the same and never twice the same."""

from __future__ import annotations

from itertools import islice

import pytest
from django.utils import timezone

from server.dataservice.logic import NewFile, add_files, register_dataset
from server.dataservice.models import DatasetFile
from server.dataservice.states import DatasetKind
from server.pandaconfig.logic import define_queue
from server.production import logic
from server.production.catalogue import load
from server.production.models import Chunk, Output, RawFile, Run, Task, TaskEvent
from server.production.raw_lists import RawLine
from server.production.steps import submit
from server.production.steps.define import LARGEST_SEED, define_ready_tasks, seeds
from tests.server.production.conftest import DATA, GENERATION, RECONSTRUCTION, work


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


def test_each_raw_file_with_events_becomes_a_chunk(queue):
    lines = (
        "278474, /eos/raw/2016/cdr11001-278474.raw, -1",
        "278473, /eos/raw/2016/cdr11002-278473.raw, 130, 1000, adler32:00000001",
        "278473, /eos/raw/2016/cdr11001-278473.raw, 0",
    )
    task = ready({**DATA, "files": "\n".join(lines), "files_home": "/eos/"})
    assert define_ready_tasks() == 1
    raw = RawFile.objects.order_by("chunk__run__number").select_related("chunk__run")
    assert [
        (one.chunk.run.number, one.chunk.number, one.lfn, one.dataset, one.endpoint, one.size, one.checksum, one.events)
        for one in raw
    ] == [
        (278473, 11002, "cdr11002-278473.raw", "raw/2016", "DISK", 1000, "adler32:00000001", 130),
        (278474, 11001, "cdr11001-278474.raw", "raw/2016", "DISK", None, "", None),
    ]
    assert set(Chunk.objects.values_list("state", flat=True)) == {"defined"}
    words = TaskEvent.objects.filter(task=task, after="jobs_ready").latest("id").words
    assert words == "2 chunks in 2 runs; 1 files without events were left out"


def test_a_list_of_runs_takes_their_files_from_the_catalogue(queue):
    files = [RawLine(run, chunk, f"cdr{chunk}-{run}.raw", "raw/a", 100) for run in (1, 2, 3) for chunk in (7, 8)]
    load(files, endpoint="DISK")
    ready({**DATA, "files": "", "runs": "3\n1"})
    define_ready_tasks()
    assert list(RawFile.objects.order_by("lfn").values_list("lfn", "endpoint", "events")) == [
        (f"cdr{chunk}-{run}.raw", "DISK", 100) for chunk in (7, 8) for run in (1, 3)
    ]


def test_many_raw_files_take_few_statements(queue, django_assert_max_num_queries):
    ready({**DATA, "files": "\n".join(f"raw/cdr{number}-278473.raw, 10" for number in range(1, 1001))})
    with django_assert_max_num_queries(40):
        define_ready_tasks()
    assert RawFile.objects.count() == 1000


def test_a_task_whose_files_lie_nowhere_holds_up_no_other_and_says_so(queue, caplog):
    first = ready(DATA)
    ready(GENERATION)
    define_queue({"nickname": "NOWHERE", "status": "online", "astorages": {"pw": ["DISK"]}})
    Task.objects.filter(pk=first.pk).update(queue="NOWHERE")
    assert define_ready_tasks() == 1
    assert "'NOWHERE' has no storage for inputs" in caplog.text
    with pytest.raises(logic.TaskRefused, match="'NOWHERE' has no storage for inputs; add one under astorages.pr"):
        logic.start_task(first.name, by="manager")
    first.refresh_from_db()
    assert (first.state, Run.objects.filter(task=first).count()) == ("ready", 0)


def test_a_child_of_a_parent_that_was_cancelled_meanwhile_gets_no_chunks_and_is_told_why(queue):
    logic.define_task(GENERATION, by="manager")
    child = logic.define_task(RECONSTRUCTION, by="manager")
    Task.objects.filter(pk=child.pk).update(state="ready")
    logic.move_task(GENERATION["name"], "cancelled", by="manager")
    assert define_ready_tasks() == 0
    with pytest.raises(logic.TaskRefused, match="its parent 'mc2016_gen' is cancelled; cancel it, too"):
        logic.start_task(child.name, by="manager")
    assert logic.move_task(child.name, "cancelled", by="manager").state == "cancelled"


def test_a_child_of_generated_events_that_were_cleaned_up_is_refused_and_begins_when_they_are_back(tasks, pilot):
    generation, _ = tasks
    work(pilot)
    files = Output.objects.filter(task=generation, kind="generated")
    files.update(removed=timezone.now())
    task = logic.define_task({**RECONSTRUCTION, "name": "late", "slot": 7}, by="manager")
    logic.move_task("late", "ready", by="manager")
    assert define_ready_tasks() == 0
    with pytest.raises(logic.TaskRefused, match="6 files of mc2016_gen were cleaned up from DISK .* lie on tape only"):
        logic.start_task("late", by="manager")
    dataset = register_dataset("back", kind=DatasetKind.OUTPUT, by="manager")
    for file in files:
        (key,) = add_files(dataset, [NewFile(file.lfn)], by="manager", endpoint="DISK")
        DatasetFile.objects.filter(pk=key).update(job_file=file.job_file_id)
    assert define_ready_tasks() == 1
    logic.move_task("late", "send", by="manager")
    submit.submit_chunks()
    assert set(task.chunks.values_list("state", flat=True)) == {"sent"}
