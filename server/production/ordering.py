"""Jobs for rows: which chunks have their input, and the orders of chunks and of merge groups."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q

from pilot.contract.job import FileSpec, JobOrder
from server.dataservice.models import Replica
from server.dataservice.states import ReplicaState
from server.production import orders
from server.production.chains import Chain, chain_of
from server.production.frames import frame_of, input_of, merging_frame_of, user_orders_of
from server.production.models import Chunk, MergeGroup, Output, RawFile, Task, TaskEvent
from server.production.orders import Group, Piece
from server.production.states import ChunkState, GroupState, MergeKind, OutputKind, TaskType


def has_input(task: Task) -> Q:
    """Say of a task's chunks when their input is there: those of a reconstruction wait for what its parent makes."""
    chain = chain_of(task.type)
    if chain.raw:
        return Q(raw__isnull=False)
    if not chain.from_parent:
        return Q()
    source = Output.objects.filter(chunk_id=OuterRef("parent_id"), kind=OutputKind.GENERATED)
    made = Q(Exists(source.filter(is_at_its_place())), parent__state=ChunkState.FINISHED)
    if task.by_chunk:
        return made
    return made & ~Q(Exists(Chunk.objects.filter(task=task.parent_task).exclude(state=ChunkState.FINISHED)))


def is_at_its_place() -> Q:
    """Say of an `Output` that it was not cleaned up, or that somebody has had it copied back since."""
    back = Replica.objects.filter(endpoint=OuterRef("endpoint"), state=ReplicaState.AVAILABLE)
    return Q(removed__isnull=True) | Q(Exists(back.filter(file__job_file=OuterRef("job_file_id"))))


def orders_for(task: Task, chunks: Sequence[Chunk]) -> list[JobOrder]:
    """Order the jobs of these chunks of a task.

    Raises:
        NoStorage: the task's queue is not there, or none of its storages takes outputs.
        ContractError: what a user has submitted cannot be a job any more.
    """
    if task.type == TaskType.USER_ANALYSIS:
        return user_orders_of(task, [chunk.number for chunk in chunks])
    frame, chain = frame_of(task), chain_of(task.type)
    sources, sent = _sources(chain, chunks), _sent_before(chunks)
    return [
        orders.processing(
            frame,
            Piece(
                run=chunk.run.number,
                chunk=chunk.number,
                seed=chunk.seed,
                events=chunk.events_ordered if chain.exact else None,
                source=sources.get(chunk.pk),
                again=chunk.pk in sent,
                used=chunk.attempts,
            ),
        )
        for chunk in chunks
    ]


def _sent_before(chunks: Sequence[Chunk]) -> set[int]:
    """Answer the keys of those chunks that have had a job before."""
    sent = TaskEvent.objects.filter(chunk__in=chunks, after=ChunkState.SENT).order_by()
    return set(sent.values_list("chunk_id", flat=True))


def _sources(chain: Chain, chunks: Sequence[Chunk]) -> dict[int, FileSpec]:
    """Answer the file that each chunk reads, by the chunk's key."""
    if chain.raw:
        raw = RawFile.objects.filter(chunk__in=chunks)
        return {file.pk: input_of(file) for file in raw}
    if not chain.from_parent:
        return {}
    parents = [chunk.parent_id for chunk in chunks if chunk.parent_id]
    made = Output.objects.filter(chunk_id__in=parents, kind=OutputKind.GENERATED)
    found = {output.chunk_id: input_of(output) for output in made}
    return {chunk.pk: found[chunk.parent_id] for chunk in chunks}


def order_for(group: MergeGroup, files: Sequence[Output], *, refusal: int) -> JobOrder:
    """Order the job of a merge group of these files; more than ``refusal`` bytes in sum are refused by its program.

    Raises:
        NoStorage: the queue for the task's merges is not there, or none of its storages takes outputs.
    """
    kind = MergeKind(group.kind)
    events = events_in(files) if kind is MergeKind.MDST else None
    again = TaskEvent.objects.filter(group=group, after=GroupState.SENT).exists()
    inputs = [input_of(file) for file in files]
    merge = Group(kind, group.run.number, group.number, inputs, events, again, group.attempts)
    return orders.merging(merging_frame_of(group.task), merge, refusal=refusal)


def events_in(files: Sequence[Output]) -> int | None:
    """Answer how many events files hold in sum; ``None`` if one of them does not say."""
    counts = [file.events for file in files]
    return None if None in counts else sum(count or 0 for count in counts)
