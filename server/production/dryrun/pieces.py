"""The pieces of a definition, or of a task whose chunks are written, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import FilteredRelation, Q

from server.production.catalogue import files_of
from server.production.definition import Definition, RunLine, read_runs
from server.production.door import BATCH
from server.production.dryrun.values import Piece
from server.production.frames import NoStorage, inputs_endpoint_of, names_of
from server.production.models import Chunk, Task
from server.production.raw_lists import RawLine, read_raw_lines
from server.production.states import OutputKind, TaskType
from server.production.steps.define import UNDEFINED


def pieces_of(definition: Definition, parent: Task | None) -> Iterator[Piece]:
    """Give what its chunks would be, in the way in which they would be defined; nothing is written."""
    if parent is not None:
        return _of_parent(parent)
    if definition.type is TaskType.MC_GENERATION:
        return _of_lines(definition.runs, definition.events_per_chunk)
    return _of_data(definition)


def pieces_of_chunks(task: Task) -> Iterator[Piece]:
    """Give the chunks that a task has: one statement."""
    if task.parent_task is not None:
        return _of_parent(task.parent_task)
    raw = ("raw__lfn", "raw__dataset", "raw__endpoint", "raw__size", "raw__events")
    rows = _ordered(task).values_list("run__number", "number", "events_ordered", *raw)
    return (
        Piece(run, number, lfn or "", dataset or "", endpoint or "", size, events if lfn else ordered)
        for run, number, ordered, lfn, dataset, endpoint, size, events in rows.iterator(BATCH)
    )


def _ordered(task: Task) -> Any:
    return Chunk.objects.filter(task=task).order_by("run__number", "number")


def _of_lines(lines: Iterable[RunLine], events: int) -> Iterator[Piece]:
    for run, chunks in sorted(lines):
        for number in range(1, chunks + 1):
            yield Piece(run, number, events=events)


def _of_data(definition: Definition) -> Iterator[Piece]:
    default = definition.files_endpoint
    if definition.files:
        lines: Iterable[tuple[RawLine, str]] = (
            (line, default) for line in read_raw_lines(definition.files, home=definition.files_home)
        )
    else:
        lines = files_of(run for run, _ in definition.runs)
    if not default:
        try:
            default = inputs_endpoint_of(definition.queue)
        except NoStorage:
            default = ""  # every file may have its own; that there is none was told before
    for line, where in lines:
        endpoint = where or default
        yield Piece(line.run, line.chunk, line.lfn, line.dataset, endpoint, line.size, line.events)


def _of_parent(parent: Task) -> Iterator[Piece]:
    """Give what the parent's chunks have made, or will make; of one that has no chunks yet what its lines say."""
    names = names_of(parent)
    dataset = names.dataset(OutputKind.GENERATED)

    def made(run: int, number: int) -> str:
        return names.chunk_files(run, number)[OutputKind.GENERATED]

    if parent.state in UNDEFINED:
        for piece in _of_lines(read_runs(parent.filelist), parent.events_per_chunk):
            yield piece._replace(lfn=made(piece.run, piece.chunk), dataset=dataset)
        return
    generated = FilteredRelation("outputs", condition=Q(outputs__kind=OutputKind.GENERATED))
    columns = ("run__number", "number", "events_done", "events_ordered", "made__lfn", "made__endpoint", "made__size")
    rows = _ordered(parent).annotate(made=generated).values_list(*columns)
    for run, number, done, ordered, lfn, endpoint, size in rows.iterator(BATCH):
        events = ordered if done is None else done
        # A chunk whose events all were lost is a chunk here all the same.
        yield Piece(run, number, lfn or made(run, number), dataset, endpoint or "", size, events or None)
