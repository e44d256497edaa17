"""The jobs of a task as the task buffer takes them: program, argument list, files. Pure functions.

The program is ``compass-mc`` of the Monte Carlo example, whose arguments are what COMPASS's own programs need too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pilot.contract.job import FileSpec, JobOrder, JobSpec, Role
from pilot.contract.processing import ProcessingType
from server.production.files import RESULT_OF, SCOPE, Names
from server.production.states import MergeKind, OutputKind

TRANSFORMATION = "compass-mc"

_MERGES = {
    MergeKind.MDST: ("mdst", ProcessingType.MERGE_MDST),
    MergeKind.HISTOGRAMS: ("histograms", ProcessingType.MERGE_HISTOGRAMS),
    MergeKind.DUMP: ("event-dump", ProcessingType.MERGE_DUMP),
}


@dataclass(frozen=True)
class Frame:
    """What all jobs of a task have in common."""

    task_id: int
    names: Names
    queue: str
    endpoint: str
    log_endpoint: str
    user: str
    working_group: str
    priority: int
    merging_priority: int
    max_attempts: int


@dataclass(frozen=True)
class Piece:
    """A chunk, as its job needs it."""

    run: int
    chunk: int
    seed: int | None = None
    events: int | None = None


def generation(frame: Frame, piece: Piece) -> JobOrder:
    """Order the generation of a chunk's events."""
    outputs = frame.names.chunk_files(piece.run, piece.chunk)
    arguments = ("generate", *_where(piece), "--seed", str(piece.seed), "--events", str(piece.events))
    return _processing(frame, piece, ProcessingType.GENERATION, (*arguments, "--output", outputs[OutputKind.GENERATED]))


def reconstruction(frame: Frame, piece: Piece, source: FileSpec) -> JobOrder:
    """Order the reconstruction of a chunk from its generated events."""
    outputs, names = frame.names.chunk_files(piece.run, piece.chunk), frame.names
    arguments = (
        *("reconstruct", *_where(piece), "--slot", str(names.slot), "--phast", str(names.phast)),
        *("--input", source.lfn),
        *("--mdst", outputs[OutputKind.MDST]),
        *("--histograms", outputs[OutputKind.HISTOGRAMS]),
        *("--event-dump", outputs[OutputKind.DUMP]),
    )
    return _processing(frame, piece, ProcessingType.RECONSTRUCTION, arguments, (source,))


def merging(
    frame: Frame, kind: MergeKind, run: int, group: int, inputs: Sequence[FileSpec], *, refusal: int
) -> JobOrder:
    """Order the merge of a group; the program refuses inputs of more than ``refusal`` bytes in sum."""
    output = frame.names.merged_file(kind, run, group)
    word, processing_type = _MERGES[kind]
    arguments = ("merge", "--kind", word, "--output", output, "--max-size", str(refusal))
    spec = JobSpec(
        id=0,
        attempt=0,
        transformation=TRANSFORMATION,
        arguments=(*arguments, *(file.lfn for file in inputs)),
        name=frame.names.merging_job(kind, run, group),
        task_id=frame.task_id,
        processing_type=processing_type.value,
        user=frame.user,
        working_group=frame.working_group,
        release=frame.names.soft,
        priority=frame.merging_priority,
        inputs=tuple(inputs),
        outputs=tuple(_written(frame, {RESULT_OF[kind]: output})),
        log=_log(frame, frame.names.merging_log(kind, run, group)),
    )
    return JobOrder(spec=spec, queue=frame.queue, max_attempts=frame.max_attempts)


def _where(piece: Piece) -> tuple[str, ...]:
    return ("--run", str(piece.run), "--chunk", str(piece.chunk))


def _processing(
    frame: Frame,
    piece: Piece,
    kind: ProcessingType,
    arguments: tuple[str, ...],
    inputs: tuple[FileSpec, ...] = (),
) -> JobOrder:
    names = frame.names
    spec = JobSpec(
        id=0,
        attempt=0,
        transformation=TRANSFORMATION,
        arguments=arguments,
        name=names.chunk_job(piece.run, piece.chunk),
        task_id=frame.task_id,
        processing_type=kind.value,
        user=frame.user,
        working_group=frame.working_group,
        release=names.soft,
        priority=frame.priority,
        inputs=inputs,
        outputs=tuple(_written(frame, names.chunk_files(piece.run, piece.chunk))),
        log=_log(frame, names.chunk_log(piece.run, piece.chunk)),
    )
    return JobOrder(spec=spec, queue=frame.queue, max_attempts=frame.max_attempts)


def _written(frame: Frame, files: dict[OutputKind, str]) -> Iterable[FileSpec]:
    for kind, lfn in files.items():
        dataset = frame.names.dataset(kind)
        yield FileSpec(lfn=lfn, role=Role.OUTPUT, scope=SCOPE, dataset=dataset, endpoint=frame.endpoint)


def _log(frame: Frame, lfn: str) -> FileSpec:
    dataset = frame.names.dataset(OutputKind.LOG)
    return FileSpec(lfn=lfn, role=Role.LOG, scope=SCOPE, dataset=dataset, endpoint=frame.log_endpoint)
