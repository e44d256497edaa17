"""Step: jobs for chunks whose input is there, as many as the queues take. Nothing is checked here: see collect."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from pilot.contract.codec import ContractError
from pilot.contract.job import JobOrder
from server.production import jobs, orders
from server.production.door import move
from server.production.frames import NoStorage, frame_of, input_of, user_orders_of
from server.production.limits import Limits, limits
from server.production.models import Chunk, Output, Task
from server.production.orders import Piece
from server.production.states import ACTIVE, ChunkState, OutputKind, TaskState, TaskType, values

SERVICE = "production.submit"
log = logging.getLogger(__name__)


class MovedMeanwhile(Exception):
    """A row was moved by somebody else while its job was being submitted; the transaction is undone."""


def submit_chunks() -> int:
    """Stage and submit for every active task, up to its bound of this cycle; answer the number of jobs."""
    bounds, waiting, submitted = limits(), jobs.queued(), 0
    for task in Task.objects.filter(state__in=values(ACTIVE)).order_by("-priority", "id"):
        if waiting[task.queue] < bounds.queued_per_queue:  # who names no queue is counted where brokerage sends it
            sent = submit_task(task, bounds, waiting)
            waiting += sent
            submitted += sent.total()
    return submitted


def submit_task(task: Task, bounds: Limits, waiting: Mapping[str, int]) -> Counter[str]:
    """Stage and submit jobs of a task, up to its bound and those of the queues; answer how many went to each queue.

    Args:
        task: The task.
        bounds: The limits.
        waiting: How many jobs wait in each queue.
    """
    stage(task, bounds.jobs_per_task)
    chunks = list(_in_order(task, ChunkState.STAGED)[: bounds.jobs_per_task])
    if not chunks:
        return Counter()
    try:
        return _send(task, chunks, bounds.queued_per_queue, waiting)
    except (NoStorage, MovedMeanwhile, ContractError) as why:
        log.warning("%s: nothing was submitted: %s", task, why)
        return Counter()


def stage(task: Task, most: int) -> int:
    """Call chunks staged whose input is there: only a reconstruction waits, for its parent's events."""
    waiting = _in_order(task, ChunkState.DEFINED)
    if task.type == TaskType.MC_RECONSTRUCTION:
        source = Output.objects.filter(chunk_id=OuterRef("parent_id"), kind=OutputKind.GENERATED)
        waiting = waiting.filter(Exists(source), parent__state=ChunkState.FINISHED)
    return sum(move(chunk, ChunkState.STAGED, by=SERVICE) for chunk in waiting[:most])


@transaction.atomic
def _send(task: Task, chunks: Sequence[Chunk], most: int, waiting: Mapping[str, int]) -> Counter[str]:
    """Submit the jobs for which their queues have room and write their numbers beside the chunks, or neither."""
    sent, fitting = Counter[str](), []
    for chunk, order in zip(chunks, jobs.placed(_orders(task, chunks)), strict=True):
        if waiting.get(order.queue, 0) + sent[order.queue] < most:
            sent[order.queue] += 1
            fitting.append((chunk, order))
    if not fitting:
        return Counter()
    numbers = jobs.submit_placed([order for _, order in fitting], by=SERVICE)
    for (chunk, _), number in zip(fitting, numbers, strict=True):
        if not move(chunk, ChunkState.SENT, by=SERVICE, job_id=number, attempts=chunk.attempts + 1):
            raise MovedMeanwhile(f"{chunk} was moved by somebody else; the next cycle tries again")
    set_running(task.pk, by=SERVICE)
    return sent


def set_running(key: int, *, by: str) -> None:
    """Move a task from ``send`` to ``running``: it has jobs now. Belongs into the transaction that submits them.

    Raises:
        MovedMeanwhile: somebody paused or cancelled it.
    """
    task = Task.objects.select_for_update().get(pk=key)
    if task.state not in values(ACTIVE):
        raise MovedMeanwhile(f"{task} is {task.state} now")
    if task.state == TaskState.SEND:
        move(task, TaskState.RUNNING, by=by)
    Task.objects.filter(pk=key, started=None).update(started=timezone.now())


def _orders(task: Task, chunks: Sequence[Chunk]) -> list[JobOrder]:
    if task.type == TaskType.USER_ANALYSIS:
        return user_orders_of(task, [chunk.number for chunk in chunks])
    frame = frame_of(task)
    if task.type == TaskType.MC_GENERATION:
        return [
            orders.generation(frame, Piece(chunk.run.number, chunk.number, chunk.seed, chunk.events_ordered))
            for chunk in chunks
        ]
    sources = Output.objects.filter(
        chunk_id__in=[chunk.parent_id for chunk in chunks if chunk.parent_id], kind=OutputKind.GENERATED
    )
    found = {output.chunk_id: input_of(output) for output in sources}
    return [
        orders.reconstruction(frame, Piece(chunk.run.number, chunk.number), found[chunk.parent_id]) for chunk in chunks
    ]


def _in_order(task: Task, state: ChunkState) -> QuerySet[Chunk]:
    """Run by run, so that the first runs are merged while the last ones wait."""
    chunks = Chunk.objects.filter(task=task, state=state.value)
    return chunks.select_related("run").order_by("run__number", "number")
