"""Step: jobs for chunks whose input is there, as many as is decided. Nothing is checked here: see collect."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from pilot.contract.codec import ContractError
from server.production import jobs
from server.production.door import move
from server.production.frames import NoStorage
from server.production.limits import limits
from server.production.models import Chunk, Task
from server.production.ordering import has_input, orders_for
from server.production.reference.known import Known, read_known
from server.production.staging.sources import from_tape
from server.production.states import ACTIVE, ChunkState, TaskState, values
from server.production.steps.apart import by_itself, sound
from server.production.steps.check_staging import readable
from server.production.submission.decide import decide
from server.production.submission.facts import Bounds
from server.production.submission.gather import active_tasks, look
from server.production.submission.record import Record

SERVICE = "production.submit"
#: Said of a task with which this step has failed.
LEFT_OUT = "sending its jobs has failed: its history says why"
log = logging.getLogger(__name__)


class MovedMeanwhile(Exception):
    """A row was moved by somebody else while its job was being submitted; the transaction is undone."""


def submit_chunks(now: datetime | None = None) -> int:
    """Stage, decide for all active tasks together how much goes, and submit that; answer the number of jobs."""
    at, tasks = now or timezone.now(), sound(active_tasks(), SERVICE)
    if not tasks:
        return 0
    known = read_known()
    tapes = from_tape(tasks, known)
    # What comes from tape is staged in whole runs: see prestage.
    stage_all([task for task in tasks if task.pk not in tapes], known)
    view = look(tasks, known, at)
    decisions = decide(view.facts.values(), view.queues, Bounds(), view.bounds)
    record, waiting, submitted = Record(list(view.facts), at), view.queued, 0
    for task in view.tasks:
        facts, steps = view.facts[task.pk], decisions[task.pk]
        sent, words = Counter[str](), ""
        if steps[-1].number:
            part = partial(_try, task, steps[-1].number, known, waiting, tapes.get(task.pk, frozenset()))
            sent, words = by_itself(task, SERVICE, part, (sent, LEFT_OUT))
        waiting += sent
        submitted += sent.total()
        record.note(facts, view.queues.get(task.queue), steps, sent=sent.total(), words=words)
    record.write(limits().decisions_kept)
    return submitted


def submit_task(task: Task, known: Known, waiting: Mapping[str, int]) -> Counter[str]:
    """Stage and submit the first jobs of a new task; answer how many went to each queue.

    Args:
        task: The task.
        known: What is known of sites and types.
        waiting: How many jobs wait in each queue.
    """
    bounds = known.limits_for(task)
    most = min(bounds.jobs_per_task, bounds.probe_jobs)
    stage(task, most)
    return _try(task, most, known, waiting)[0]


def _try(
    task: Task, number: int, known: Known, waiting: Mapping[str, int], tapes: frozenset[str] = frozenset()
) -> tuple[Counter[str], str]:
    """Submit so many jobs; answer how many went to each queue, and why none did where that was not decided.

    Chunks whose file has left the disk of one of ``tapes`` are not sent: it is asked for again.
    """
    chunks = list(_in_order(task, ChunkState.STAGED)[:number])
    chunks = readable(chunks, tapes, timezone.now()) if tapes and chunks else chunks
    if not chunks:
        return Counter(), ""
    try:
        sent = _send(task, chunks, known, waiting)
    except (NoStorage, MovedMeanwhile, ContractError) as why:
        log.warning("%s: nothing was submitted: %s", task, why)
        return Counter(), str(why)
    return sent, "" if sent else (
        "in each queue that takes them, as many jobs wait as may; some have to run first, or raise queued_per_queue"
    )


def stage_all(tasks: Sequence[Task], known: Known) -> int:
    """Stage what can be of these tasks; asks only about those of which something waits for its input."""
    rows = Chunk.objects.filter(task__in=tasks, state=ChunkState.DEFINED).order_by()
    waiting = set(rows.values_list("task", flat=True).distinct())

    def part(task: Task) -> int:
        return stage(task, known.limits_for(task).jobs_per_task)

    return sum(by_itself(task, SERVICE, partial(part, task), 0) for task in tasks if task.pk in waiting)


def stage(task: Task, most: int) -> int:
    """Call chunks staged whose input is there."""
    waiting = _in_order(task, ChunkState.DEFINED).filter(has_input(task))
    return sum(move(chunk, ChunkState.STAGED, by=SERVICE) for chunk in waiting[:most])


@transaction.atomic
def _send(task: Task, chunks: Sequence[Chunk], known: Known, waiting: Mapping[str, int]) -> Counter[str]:
    """Submit the jobs for which their queues have room and write their numbers beside the chunks, or neither."""
    # The task first, as whoever stops it does: else the two would wait for each other.
    still_active(task.pk)
    sent, fitting = Counter[str](), []
    for chunk, order in zip(chunks, jobs.placed(orders_for(task, chunks)), strict=True):
        if waiting.get(order.queue, 0) + sent[order.queue] < known.limits_at(order.queue).queued_per_queue:
            sent[order.queue] += 1
            fitting.append((chunk, order))
    if not fitting:
        return Counter()
    numbers = jobs.submit_placed([order for _, order in fitting], by=SERVICE)
    for (chunk, order), number in zip(fitting, numbers, strict=True):
        attempts = chunk.attempts + 1
        ahead = attempts - order.first_attempt
        if not move(chunk, ChunkState.SENT, by=SERVICE, job_id=number, attempts=attempts, ahead=ahead):
            raise MovedMeanwhile(f"{chunk} was moved by somebody else; the next cycle tries again")
    set_running(task.pk, by=SERVICE)
    return sent


def set_running(key: int, *, by: str) -> None:
    """Move a task from ``send`` to ``running``: it has jobs now. Belongs into the transaction that submits them.

    Raises:
        MovedMeanwhile: somebody paused or cancelled it.
    """
    task = still_active(key)
    if task.state == TaskState.SEND:
        move(task, TaskState.RUNNING, by=by)
    Task.objects.filter(pk=key, started=None).update(started=timezone.now())


def still_active(key: int) -> Task:
    """Read a task that nobody else can move until the transaction's end.

    Raises:
        MovedMeanwhile: somebody paused or cancelled it.
    """
    task = Task.objects.select_for_update().defer("filelist").get(pk=key)
    if task.state not in values(ACTIVE):
        raise MovedMeanwhile(f"{task} is {task.state} now")
    return task


def _in_order(task: Task, state: ChunkState) -> QuerySet[Chunk]:
    """Run by run, so that the first runs are merged while the last ones wait."""
    chunks = Chunk.objects.filter(task=task, state=state.value)
    return chunks.select_related("run").order_by("run__number", "number")
