"""Which rows are on their way to tape: files that are right, what is due, and tasks that still lack something."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from server.dataservice.models import DatasetFile, Transfer
from server.dataservice.states import LIVING, FileState, TransferKind
from server.dataservice.states import values as words_of
from server.production.archive.rules import LONGEST, needs, pause
from server.production.chains import CHAINS
from server.production.frames import tape_of
from server.production.models import CrossCheck, Output, Task
from server.production.states import (
    PACKING,
    PASSED,
    ChunkState,
    GroupState,
    OutputKind,
    TapeState,
    TaskState,
    TaskType,
    values,
)

#: In these a task's files go to tape. A task that is being ended brings there what is right already.
ARCHIVING = (TaskState.SEND, TaskState.RUNNING, TaskState.FINISHING, *PACKING)

#: What some type of task has on tape, and the types.
TYPES = tuple(kind for kind, chain in CHAINS.items() if chain.archived)


def archiving_tasks() -> dict[int, tuple[Task, str]]:
    """Answer the tasks whose files go to tape now, with the storage of the tapes, by key."""
    tasks = (
        Task.objects.filter(state__in=values(ARCHIVING), type__in=values(TYPES))
        .select_related("site")
        .defer("filelist")
    )
    found = ((task, tape_of(task)) for task in tasks.order_by("pk"))
    return {task.pk: (task, tape) for task, tape in found if tape}


def of_archived_kinds() -> Q:
    """Say of an `Output` that it is of a kind that goes to tape in its task's chain."""
    alike: dict[tuple[OutputKind, ...], list[TaskType]] = {}
    for kind in TYPES:
        alike.setdefault(CHAINS[kind].on_tape, []).append(kind)
    found = Q(pk=None)
    for kinds, types in alike.items():
        found |= Q(kind__in=values(kinds), task__type__in=values(types))
    return found


def is_made() -> Q:
    """Say of an `Output` that it is the one that its merge or its chunk has made last, and none is being made."""
    there = values((GroupState.FINISHED, GroupState.MANUAL_CHECK))
    return Q(group__state__in=there) | Q(chunk__state__in=there)


def right(type_word: str) -> Q:
    """Say of an `Output` of a type of task that it is what it is to be: made, and checked."""
    chain = CHAINS[TaskType(type_word)]
    found = Q(pk=None)
    for kind in chain.on_tape:
        wanted = needs(chain, kind)
        one = Q(kind=kind.value, removed__isnull=True)
        one &= Q(group__state=GroupState.FINISHED) if wanted.merged else Q(chunk__state=ChunkState.FINISHED)
        for check in wanted.checks:
            passed = CrossCheck.objects.filter(kind=check.value, verdict__in=values(PASSED))
            one &= Q(Exists(passed.filter(run=OuterRef("run"))))
        found |= one
    return found


def not_ready_yet(task: Task) -> QuerySet[Output]:
    """Select the files of a task that are right, and nobody has noticed."""
    return Output.objects.filter(right(task.type), task=task, tape=TapeState.NONE).order_by("pk")


def ready(task: Task) -> QuerySet[Output]:
    """Select the files of a task that are to be asked for; what is not right any more waits."""
    return Output.objects.filter(right(task.type), task=task, tape=TapeState.READY)


def is_registered() -> Exists:
    """Say of an `Output` that the data service has it, as its job has written it, in its catalogue.

    From its submission on a job's file is expected there, and absent after an attempt without it: that the end of the
    last one has not been read yet does not mean that it has vanished.
    """
    known = words_of((FileState.AVAILABLE, FileState.LOST, FileState.DELETED))
    return Exists(DatasetFile.objects.filter(job_file=OuterRef("job_file_id"), state__in=known))


def is_busy(tape: str) -> Exists:
    """Say of an `Output` that something is being done with a file of its name at the storage of the tapes."""
    living = Transfer.objects.filter(endpoint=tape, state__in=words_of(LIVING)).exclude(kind=TransferKind.PRESTAGE)
    return Exists(living.filter(file__job_file=OuterRef("job_file_id")))


def is_due(now: datetime, *, allowed: int, delay: int) -> Q:
    """Say of an `Output` that is ready that its pause after a request that failed is over."""
    due = Q(tape_attempts=0)
    steps = min(allowed, 30)
    for attempts in range(1, steps + 1):
        so_many = Q(tape_attempts=attempts) if attempts < steps else Q(tape_attempts__gte=attempts)
        due |= so_many & Q(tape_since__lte=now - pause(attempts, delay))
    # A time that lies further ahead than any pause was written by a clock that was wrong.
    return due | Q(tape_since__gt=now + timedelta(seconds=LONGEST)) | Q(tape_since=None)


def on_their_way(task: Task) -> bool:
    """Say whether a file of a task is on its way to tape, or would be at once."""
    open_ones = Q(tape=TapeState.SENT) | (Q(tape__in=values((TapeState.NONE, TapeState.READY))) & right(task.type))
    return bool(tape_of(task)) and Output.objects.filter(open_ones, of_archived_kinds(), task=task).exists()


def not_on_tape(tasks: Iterable[Task], *, packed: bool = False) -> set[int]:
    """Answer which of these tasks have a tape, and files that are not on it: one query for all of them.

    Args:
        tasks: The tasks, with their sites.
        packed: Look at packed logs alone: of a task that was ended early not every file has come to tape.
    """
    keys = [task.pk for task in tasks if tape_of(task)]
    if not keys:
        return set()
    kinds = Q(kind=OutputKind.PACKED_LOGS) if packed else of_archived_kinds()
    lacking = Output.objects.filter(kinds, task__in=keys).exclude(tape=TapeState.FINISHED)
    return set(lacking.order_by().values_list("task_id", flat=True).distinct())


def named(keys: Collection[int]) -> QuerySet[Output]:
    """Select files by their keys, with what made them."""
    rows = Output.objects.filter(pk__in=keys).order_by("pk")
    rows = rows.select_related("task", "run", "group__task", "group__run", "chunk__task")
    # A list of files is megabytes, and would be read three times with each of them.
    return rows.defer("task__filelist", "group__task__filelist", "chunk__task__filelist")
