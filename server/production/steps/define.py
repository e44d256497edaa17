"""Step: runs and chunks of a task, from its run lines, its raw files, its runs' raw files, or its parent's chunks."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from django.db import transaction

from server.lib import bulk
from server.production.catalogue import files_of
from server.production.definition import read_runs
from server.production.door import BATCH, move, note
from server.production.frames import NoStorage, inputs_endpoint_of
from server.production.models import Chunk, Output, RawFile, Run, Task
from server.production.ordering import is_at_its_place
from server.production.raw_lists import RawLine, read_raw_lines, read_run_numbers
from server.production.states import ON_DATA, ChunkState, OutputKind, TaskState, TaskType
from server.production.steps.apart import by_itself, sound

#: Pythia's largest seed.
LARGEST_SEED = 900_000_000

#: A parent in one of these has not defined its chunks yet.
UNDEFINED = (TaskState.DRAFT, TaskState.READY)

SERVICE = "production.define"


class InputsGone(Exception):
    """What a task is to read was cleaned up; the message says what, and what to do."""


log = logging.getLogger(__name__)


def define_ready_tasks() -> int:
    """Define the jobs of every task that is ready; answer how many tasks became ``jobs_ready``."""
    ready = Task.objects.filter(state=TaskState.READY).select_related("parent_task").order_by("id")
    return sum(by_itself(task, SERVICE, partial(_try, task), False) for task in sound(ready, SERVICE))


def _try(task: Task) -> bool:
    try:
        return define_jobs(task, by=SERVICE)
    except (NoStorage, InputsGone) as why:
        log.warning("%s: its jobs are not defined: %s", task, why)
        return False


@transaction.atomic
def define_jobs(task: Task, *, by: str) -> bool:
    """Make the runs and chunks of a task; False when its parent has none yet, or never will, or somebody was faster.

    Raises:
        NoStorage: nobody says where its raw files lie; nothing was done.
        InputsGone: its parent's files were cleaned up; nothing was done.
    """
    parent = task.parent_task
    # One that is cancelled may have no chunks: a task of none would never be done.
    if parent is not None and TaskState(parent.state) in (*UNDEFINED, TaskState.CANCELLED):
        return False
    if parent is not None and (slip := _slip_of_inputs(parent)):
        raise InputsGone(slip)
    if not move(task, TaskState.JOBS_READY, by=by):
        return False
    if task.type == TaskType.MC_GENERATION:
        _define_generation(task)
    elif task.type in ON_DATA:
        _define_data(task, by)
    else:
        _define_from_parent(task)
    return True


def _slip_of_inputs(parent: Task) -> str:
    """Say which files of a parent are not on its disks any more; "" when all are: chunks would wait for ever."""
    gone = Output.objects.filter(task=parent, kind=OutputKind.GENERATED, removed__isnull=False)
    gone = gone.exclude(is_at_its_place()).order_by()
    if (number := gone.count()) == 0:
        return ""
    places = ", ".join(sorted(set(gone.values_list("endpoint", flat=True).distinct())))
    said = f"{number} files of {parent.name} were cleaned up from {places} when its other children were archived"
    return f"{said}, and lie on tape only: have the data service copy them back there, or generate them by another task"


def seeds(name: str) -> Iterator[int]:
    """Give the seeds of a task's chunks: always the same for a name, and all different."""
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    for offset in range(LARGEST_SEED):
        yield 1 + (start + offset) % LARGEST_SEED


def _define_generation(task: Task) -> None:
    lines = sorted(read_runs(task.filelist))
    runs, seed = _make_runs(task, (number for number, _ in lines)), seeds(task.name)
    bulk.write(
        Chunk,
        # Nothing has to be brought for it.
        ("task_id", "run_id", "number", "seed", "events_ordered", "state"),
        (
            (task.pk, runs[run], number, next(seed), task.events_per_chunk, ChunkState.STAGED.value)
            for run, chunks in lines
            for number in range(1, chunks + 1)
        ),
    )


def _define_data(task: Task, by: str) -> None:
    """Give each raw file with events a chunk; those without are left out, and counted in the task's history."""
    runs, empty, made, last = dict[int, int](), 0, 0, 0
    lines = _raw_files_of(task)
    while part := list(islice(lines, bulk.BATCH)):
        full = [(line, where) for line, where in part if line.events != 0]
        empty += len(part) - len(full)
        made += len(full)
        # The queue is asked only for files of which nothing else says where they lie.
        endpoint = task.files_endpoint or ("" if all(where for _, where in full) else inputs_endpoint_of(task.queue))
        runs |= _make_runs(task, sorted({line.run for line, _ in full} - runs.keys()))
        bulk.write(Chunk, ("task_id", "run_id", "number"), ((task.pk, runs[one.run], one.chunk) for one, _ in full))
        keys = _keys_after(task, last)
        last = max(keys.values(), default=last)
        bulk.write(
            RawFile,
            ("chunk_id", "lfn", "dataset", "endpoint", "size", "checksum", "events"),
            (
                (
                    keys[runs[one.run], one.chunk],
                    one.lfn,
                    one.dataset,
                    where or endpoint,
                    one.size,
                    one.checksum,
                    one.events,
                )
                for one, where in full
            ),
        )
    words = f"{made} chunks in {len(runs)} runs" + (f"; {empty} files without events were left out" if empty else "")
    note(task, TaskState.JOBS_READY.value, TaskState.JOBS_READY.value, by=by, words=words)


def _raw_files_of(task: Task) -> Iterator[tuple[RawLine, str]]:
    """Give the raw files of a task, each with the storage that the catalogue names for it."""
    if task.has_files:
        return ((line, "") for line in read_raw_lines(task.filelist, home=task.files_home))
    return files_of(read_run_numbers(task.filelist))


def _define_from_parent(task: Task) -> None:
    """Give each chunk of the parent a chunk here, which waits for it."""
    numbers = Run.objects.filter(task=task.parent_task).order_by("number").values_list("number", flat=True)
    runs = _make_runs(task, numbers)
    parents = Chunk.objects.filter(task=task.parent_task).order_by("run__number", "number")
    rows = parents.values_list("id", "run__number", "number").iterator(bulk.BATCH)
    bulk.write(
        Chunk,
        ("task_id", "run_id", "number", "parent_id"),
        ((task.pk, runs[run], number, key) for key, run, number in rows),
    )


def _make_runs(task: Task, numbers: Iterable[int]) -> dict[int, int]:
    """Make runs of a task; answer their keys by their numbers."""
    made = Run.objects.bulk_create([Run(task=task, number=number) for number in numbers], batch_size=BATCH)
    return {run.number: run.pk for run in made}


def _keys_after(task: Task, last: int) -> dict[tuple[int, int], int]:
    """Answer the keys of the chunks of a task that were written after one, by the keys of their runs and numbers."""
    found = Chunk.objects.filter(task=task, pk__gt=last).order_by()
    return {(run, number): key for key, run, number in found.values_list("pk", "run_id", "number")}
