"""Step: runs and chunks of a task, from its run lines, its raw files, its runs' raw files, or its parent's chunks."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from itertools import islice

from django.db import transaction

from server.production.catalogue import files_of
from server.production.definition import read_runs
from server.production.door import BATCH, move, note
from server.production.frames import NoStorage, inputs_endpoint_of
from server.production.models import Chunk, RawFile, Run, Task
from server.production.raw_lists import RawLine, read_raw_lines, read_run_numbers
from server.production.states import ON_DATA, ChunkState, TaskState, TaskType

#: Pythia's largest seed.
LARGEST_SEED = 900_000_000

#: A parent in one of these has not defined its chunks yet.
UNDEFINED = (TaskState.DRAFT, TaskState.READY)

SERVICE = "production.define"
log = logging.getLogger(__name__)


def define_ready_tasks() -> int:
    """Define the jobs of every task that is ready; answer how many tasks became ``jobs_ready``."""
    ready = Task.objects.filter(state=TaskState.READY).select_related("parent_task").order_by("id")
    return sum(_try(task) for task in ready)


def _try(task: Task) -> bool:
    try:
        return define_jobs(task, by=SERVICE)
    except NoStorage as why:
        log.warning("%s: its jobs are not defined: %s", task, why)
        return False


@transaction.atomic
def define_jobs(task: Task, *, by: str) -> bool:
    """Make the runs and chunks of a task; False when its parent has none yet, or somebody else was faster.

    Raises:
        NoStorage: nobody says where its raw files lie; nothing was done.
    """
    parent = task.parent_task
    if parent is not None and TaskState(parent.state) in UNDEFINED:
        return False
    if not move(task, TaskState.JOBS_READY, by=by):
        return False
    if task.type == TaskType.MC_GENERATION:
        _define_generation(task)
    elif task.type in ON_DATA:
        _define_data(task, by)
    else:
        _define_from_parent(task)
    return True


def seeds(name: str) -> Iterator[int]:
    """Give the seeds of a task's chunks: always the same for a name, and all different."""
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    for offset in range(LARGEST_SEED):
        yield 1 + (start + offset) % LARGEST_SEED


def _define_generation(task: Task) -> None:
    lines = sorted(read_runs(task.filelist))
    runs = Run.objects.bulk_create([Run(task=task, number=number) for number, _ in lines], batch_size=BATCH)
    seed = seeds(task.name)
    _create(
        Chunk(
            task=task,
            run=run,
            number=number,
            seed=next(seed),
            events_ordered=task.events_per_chunk,
            # Nothing has to be brought for it.
            state=ChunkState.STAGED,
        )
        for run, (_, chunks) in zip(runs, lines, strict=True)
        for number in range(1, chunks + 1)
    )


def _define_data(task: Task, by: str) -> None:
    """Give each raw file with events a chunk; those without are left out, and counted in the task's history."""
    runs, empty, made = dict[int, Run](), 0, 0
    lines = _raw_files_of(task)
    while part := list(islice(lines, BATCH)):
        full = [(line, where) for line, where in part if line.events != 0]
        empty += len(part) - len(full)
        made += len(full)
        # The queue is asked only for files of which nothing else says where they lie.
        endpoint = task.files_endpoint or ("" if all(where for _, where in full) else inputs_endpoint_of(task.queue))
        new = sorted({line.run for line, _ in full} - runs.keys())
        runs |= {run.number: run for run in Run.objects.bulk_create([Run(task=task, number=one) for one in new])}
        chunks = Chunk.objects.bulk_create(
            [Chunk(task=task, run=runs[line.run], number=line.chunk) for line, _ in full]
        )
        RawFile.objects.bulk_create(
            RawFile(
                chunk=chunk, lfn=line.lfn, dataset=line.dataset, endpoint=where or endpoint, size=line.size,
                checksum=line.checksum, events=line.events,
            )
            for chunk, (line, where) in zip(chunks, full, strict=True)
        )  # fmt: skip
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
    runs = Run.objects.bulk_create([Run(task=task, number=number) for number in numbers], batch_size=BATCH)
    here = {run.number: run for run in runs}
    parents = Chunk.objects.filter(task=task.parent_task).order_by("run__number", "number")
    _create(
        Chunk(task=task, run=here[run_number], number=number, parent_id=key)
        for key, run_number, number in parents.values_list("id", "run__number", "number").iterator(BATCH)
    )


def _create(chunks: Iterable[Chunk]) -> None:
    batch: list[Chunk] = []
    for chunk in chunks:
        batch.append(chunk)
        if len(batch) == BATCH:
            Chunk.objects.bulk_create(batch)
            batch = []
    Chunk.objects.bulk_create(batch)
