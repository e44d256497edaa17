"""The jobs of a task as the task buffer takes them: program, argument list, files. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pilot.contract.job import FileSpec, JobOrder, JobSpec, Role
from pilot.contract.processing import ProcessingType
from server.production.chains import MAY_BE_MISSING, chain_of
from server.production.files import RESULT_OF, SCOPE, Names
from server.production.programs import MERGING, PACKER, ExamplePrograms, Join, Programs, Work, packing
from server.production.states import MergeKind, OutputKind


@dataclass(frozen=True)
class Frame:
    """What all jobs of a task that go to one queue have in common.

    ``software`` is the folder above the release's own, for pilots to set it up from; ``template`` the options file.
    """

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
    programs: Programs = ExamplePrograms()
    software: str = ""
    template: str = ""


@dataclass(frozen=True)
class Piece:
    """A chunk, as its job needs it; ``source`` is the file that it reads; ``again``: it has had a job before.

    ``used`` is how many attempts of this round other jobs have had.
    """

    run: int
    chunk: int
    seed: int | None = None
    events: int | None = None
    source: FileSpec | None = None
    again: bool = False
    used: int = 0


@dataclass(frozen=True)
class Group:
    """A merge group, as its job needs it; ``events`` are what its inputs hold, if known; the last two as above."""

    kind: MergeKind
    run: int
    number: int
    inputs: Sequence[FileSpec]
    events: int | None = None
    again: bool = False
    used: int = 0


@dataclass(frozen=True)
class _Start:
    """What a pilot starts, and whether the node has to have the task's release for it."""

    program: str
    arguments: tuple[str, ...]
    needs_software: bool


def _own(frame: Frame, work: ProcessingType, arguments: tuple[str, ...]) -> _Start:
    """Start a program of the task's own."""
    return _Start(frame.programs.program(work), arguments, frame.programs.needs_software)


def processing(frame: Frame, piece: Piece) -> JobOrder:
    """Order the work on a chunk: what it is follows from the task's type.

    Raises:
        ValueError: the task's type has no work of its own.
    """
    names = frame.names
    work_type = chain_of(names.type).work
    if work_type is None:
        raise ValueError(f"jobs of a task of type {names.type} are ordered by their owner")
    files = names.chunk_files(piece.run, piece.chunk)
    work = Work(
        type=work_type,
        run=piece.run,
        chunk=piece.chunk,
        slot=names.slot,
        phast=names.phast,
        files=files,
        source=piece.source.lfn if piece.source else "",
        seed=piece.seed,
        events=piece.events,
        template=frame.template,
    )
    order = _order(
        frame,
        work_type,
        name=names.chunk_job(piece.run, piece.chunk),
        starts=_own(frame, work_type, frame.programs.arguments(work)),
        priority=frame.priority,
        inputs=(piece.source,) if piece.source else (),
        outputs=files,
        log=names.chunk_log(piece.run, piece.chunk),
    )
    return _counted(order, piece)


def merging(frame: Frame, group: Group, *, refusal: int) -> JobOrder:
    """Order the merge of a group; the program refuses inputs of more than ``refusal`` bytes in sum."""
    kind, names, inputs = group.kind, frame.names, tuple(group.inputs)
    output = names.merged_file(kind, group.run, group.number)
    join = Join(kind, output, tuple(file.lfn for file in inputs), refusal, group.events)
    order = _order(
        frame,
        MERGING[kind],
        name=names.merging_job(kind, group.run, group.number),
        starts=_Start(PACKER, packing(join), needs_software=False)
        if kind is MergeKind.LOGS
        else _own(frame, MERGING[kind], frame.programs.join(join)),
        priority=frame.merging_priority,
        inputs=inputs,
        outputs={RESULT_OF[kind]: output},
        log=names.merging_log(kind, group.run, group.number),
    )
    return _counted(order, group)


def _counted(order: JobOrder, what: Piece | Group) -> JobOrder:
    """Number a job's attempts: from 2 on what a job before it has stored makes room, as it lies under the same names.

    So many as its round has left come after that, whatever they are numbered from.
    """
    first = 2 if what.again else 1
    return order._replace(first_attempt=first, max_attempts=max(first, order.max_attempts - what.used + first - 1))


def _order(
    frame: Frame,
    work: ProcessingType,
    *,
    name: str,
    starts: _Start,
    priority: int,
    inputs: tuple[FileSpec, ...],
    outputs: Mapping[OutputKind, str],
    log: str,
) -> JobOrder:
    spec = JobSpec(
        id=0,
        attempt=0,
        transformation=starts.program,
        arguments=starts.arguments,
        name=name,
        task_id=frame.task_id,
        processing_type=work.value,
        user=frame.user,
        working_group=frame.working_group,
        release=frame.names.soft,
        home_package=frame.software if starts.needs_software else "",
        priority=priority,
        inputs=inputs,
        outputs=tuple(_written(frame, outputs)),
        allow_no_output=tuple(lfn for kind, lfn in outputs.items() if kind in MAY_BE_MISSING),
        log=_log(frame, log),
    )
    return JobOrder(spec=spec, queue=frame.queue, max_attempts=frame.max_attempts)


def _written(frame: Frame, files: Mapping[OutputKind, str]) -> Iterable[FileSpec]:
    for kind, lfn in files.items():
        dataset = frame.names.dataset(kind)
        yield FileSpec(lfn=lfn, role=Role.OUTPUT, scope=SCOPE, dataset=dataset, endpoint=frame.endpoint)


def _log(frame: Frame, lfn: str) -> FileSpec:
    dataset = frame.names.dataset(OutputKind.LOG)
    return FileSpec(lfn=lfn, role=Role.LOG, scope=SCOPE, dataset=dataset, endpoint=frame.log_endpoint)
