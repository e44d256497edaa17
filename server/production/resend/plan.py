"""Exactly what is made again by a wish: the rows that are meant, and everything downstream of them. Only reads."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from pilot.contract.states import FINAL
from server.production import jobs
from server.production.causes import of_cause
from server.production.models import Chunk, CrossCheck, MergeGroup, Output, Run, Task
from server.production.resend import tape
from server.production.resend.wishes import BadWish, What, Wish
from server.production.staging.states import StagedState
from server.production.states import (
    PACKING,
    CheckKind,
    ChunkState,
    GroupState,
    MergeKind,
    TaskState,
    TaskType,
    values,
)

#: Chunks of one resend: they are written in one transaction, and pilots wait for it where there is one writer.
MOST = 20_000
#: Numbers of one statement.
BATCH = 400

#: Runs that a refusal names.
NAMED = 10

C = ChunkState

#: In these a task has something that can be made again, or may have soon.
_OPEN = (TaskState.SEND, TaskState.RUNNING, TaskState.PAUSED, TaskState.DONE, TaskState.FINISHED)

#: What has ended otherwise than it was to.
_ENDED_BADLY = (What.FAILED, What.MANUAL_CHECK, What.ARCHIVE)

#: The check that is about each kind of merges.
_CHECK_OF = {MergeKind.MDST: CheckKind.MDST, MergeKind.DUMP: CheckKind.DUMP}


@dataclass
class Plan:
    """What is made again. ``chunks`` and ``groups`` go back, by key; ``checks`` are judged again.

    ``refused`` says why it cannot be, ``living`` are jobs that have not ended and will be, ``outputs`` the files that
    are made anew and ``size`` their bytes. Chunks in ``unstaged`` wait for their input first. ``files`` are only asked
    for on tape again.
    """

    task: Task
    wish: Wish
    chunks: dict[int, Chunk] = field(default_factory=dict)
    groups: dict[int, MergeGroup] = field(default_factory=dict)
    checks: dict[int, CrossCheck] = field(default_factory=dict)
    files: dict[int, Output] = field(default_factory=dict)
    unstaged: set[int] = field(default_factory=set)
    living: list[int] = field(default_factory=list)
    outputs: int = 0
    size: int = 0
    refused: list[str] = field(default_factory=list)
    #: Runs of which chunks would be made again whose files are merged already.
    merged: dict[int, Run] = field(default_factory=dict)

    @property
    def tasks(self) -> set[int]:
        """Answer the tasks that are touched, this one and those that live on it."""
        rows: list[Any] = [*self.chunks.values(), *self.groups.values(), *self.checks.values()]
        rows += self.files.values()
        return {row.task_id for row in rows}

    @property
    def mark(self) -> str:
        """Answer a short word that is another one as soon as other rows would be made again.

        That some of their jobs have ended by themselves since makes nothing worse.
        """
        found = [sorted(rows) for rows in (self.chunks, self.groups, self.checks, self.files)]
        return hashlib.sha256(repr([self.task.pk, *found]).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        touched = Task.objects.in_bulk(self.tasks)
        return {
            "task": self.task.name,
            "wish": self.wish.as_json(),
            "words": str(self.wish),
            "tasks": [
                {
                    "task": touched[key].name,
                    "status": touched[key].state,
                    "chunks": dict(Counter(row.state for row in self.chunks.values() if row.task_id == key)),
                    "merges": dict(Counter(f"{row.kind} {row.state}" for row in _of(self.groups.values(), key))),
                    "checks": dict(Counter(f"{row.kind} {row.verdict}" for row in _of(self.checks.values(), key))),
                    "files": dict(Counter(f"{row.kind} {row.tape}".strip() for row in _of(self.files.values(), key))),
                    "runs": sorted({row.run.number for row in self._rows(key)}),
                }
                for key in sorted(touched)
            ],
            "jobs_ended": len(self.living),
            "outputs": self.outputs,
            "size": self.size,
            "refused": self.refused,
            "seen": self.mark,
        }

    def _rows(self, task: int) -> Iterator[Any]:
        for rows in (self.chunks, self.groups, self.checks, self.files):
            yield from _of(rows.values(), task)


def _of(rows: Any, task: int) -> list[Any]:
    return [row for row in rows if row.task_id == task]


def plan(task: Task, wish: Wish) -> Plan:
    """Say what a wish would do.

    Raises:
        BadWish: there is no such run or chunk, or too much would be made again.
    """
    made = Plan(task, wish)
    if not _is_open(task, wish):
        made.refused.append(f"task {task.name} is {TaskState(task.state).label}; nothing of it can be sent again now")
        return made
    _check_scope(task, wish)
    _add_chunks(made, list(_chunks_of(task, wish)), first=True)
    _refuse_merged(made)
    _add_groups(made, _groups_of(task, wish))
    _add_checks(made, _checks_of(task, wish))
    _add_files(made)
    refuse_closed(made)
    _count(made)
    if not (made.chunks or made.groups or made.checks or made.files) and not made.refused:
        made.refused.append(f"nothing of task {task.name!r} is there to be sent again ({wish})")
    return made


def _is_open(task: Task, wish: Wish) -> bool:
    """Say whether something of a task may be made again: of one that is being archived only what packs its logs."""
    if task.state in values(PACKING):
        return wish.chunk is None and (wish.what in _ENDED_BADLY or wish.kind == MergeKind.LOGS)
    return TaskState(task.state) in _OPEN


def set_apart(made: Plan) -> list[MergeGroup]:
    """Answer the merges that checks have set apart which are judged anew: they wait for nobody meanwhile."""
    if made.wish.what is not What.CROSSCHECK:
        return []
    judged = {(check.run_id, check.kind) for check in made.checks.values()}
    waiting = MergeGroup.objects.filter(task__in=made.tasks, state=GroupState.MANUAL_CHECK, size__isnull=False)
    return [one for one in waiting if (one.run_id, _CHECK_OF.get(MergeKind(one.kind))) in judged]


def refuse_closed(made: Plan) -> None:
    """Refuse where a task that lives on this one would have open rows that nobody sends."""
    open_ones = [*values(_OPEN), *values(PACKING)]
    for one in Task.objects.filter(pk__in=made.tasks).exclude(state__in=open_ones):
        label = TaskState(one.state).label
        made.refused.append(
            f"task {one.name}, which lives on {made.task.name}, is {label}: wait for its end, or cancel it"
        )


def _check_scope(task: Task, wish: Wish) -> None:
    if wish.run is not None and not task.runs.filter(number=wish.run).exists():
        raise BadWish(f"run: task {task.name} has no run {wish.run}; its page lists them")
    if wish.chunk is not None and not Chunk.objects.filter(_scope(wish), task=task, number=wish.chunk).exists():
        raise BadWish(f"chunk: run {wish.run} of task {task.name} has no chunk {wish.chunk}")


def _scope(wish: Wish) -> Q:
    return Q() if wish.run is None else Q(run__number=wish.run)


def _chunks_of(task: Task, wish: Wish) -> QuerySet[Chunk]:
    """Select the chunks that are meant themselves."""
    if task.state in values(PACKING):
        return Chunk.objects.none()
    states: dict[What, Collection[ChunkState]] = {
        What.FAILED: [ChunkState.FAILED],
        What.MANUAL_CHECK: [ChunkState.MANUAL_CHECK],
        What.STAGING: [ChunkState.STAGING, ChunkState.STAGED],
        What.CHUNKS: [state for state in ChunkState if state not in (C.DEFINED, C.STAGING, C.STAGED, C.PAUSED)],
    }
    wanted = list(states.get(wish.what, ()))
    if wish.what is What.FAILED and task.state == TaskState.FINISHED:
        wanted.append(ChunkState.CANCELLED)  # it was ended early
        if task.type == TaskType.USER_ANALYSIS:  # nobody looks at a user's payload but the user
            wanted.append(ChunkState.MANUAL_CHECK)
    meant = Q(state__in=[state.value for state in wanted])
    if wish.what is What.STAGING:  # and what did not come, so that a person was to look
        meant |= Q(state=ChunkState.MANUAL_CHECK, staged__state=StagedState.FAILED)
    chunks = Chunk.objects.filter(_scope(wish), meant, task=task)
    if wish.chunk is not None:
        chunks = chunks.filter(number=wish.chunk)
    if wish.cause is not None:
        chunks = of_cause(chunks, wish.cause)
    return chunks.select_related("run").order_by("run__number", "number")[: MOST + 1]


def _groups_of(task: Task, wish: Wish) -> Sequence[MergeGroup]:
    """Select the merges that are meant themselves; a ready one without a job has nothing to be made again."""
    groups = MergeGroup.objects.filter(_scope(wish), task=task).select_related("run")
    if task.state in values(PACKING):
        groups = groups.filter(kind=MergeKind.LOGS)
    if wish.what is What.MERGING:
        wanted = groups.filter(kind=wish.kind) if wish.kind else groups
        wanted = wanted.filter(pk__in=wish.groups) if wish.groups else wanted
        return list(wanted.exclude(state__in=[GroupState.READY.value, GroupState.CANCELLED.value]))
    states = {What.FAILED: [GroupState.FAILED.value], What.MANUAL_CHECK: [GroupState.MANUAL_CHECK.value]}
    if wish.chunk is not None or wish.what not in states:
        return []
    if wish.what is What.FAILED and task.state == TaskState.FINISHED:
        states[What.FAILED].append(GroupState.CANCELLED.value)
    groups = groups.filter(state__in=states[wish.what])
    return list(of_cause(groups, wish.cause) if wish.cause is not None else groups)


def _checks_of(task: Task, wish: Wish) -> Sequence[CrossCheck]:
    if wish.what is not What.CROSSCHECK:
        return []
    return list(CrossCheck.objects.filter(_scope(wish), task=task).select_related("run"))


def _add_chunks(made: Plan, chunks: Sequence[Chunk], *, first: bool) -> None:
    """Add chunks with what was made of their files, in this task and in those that live on it."""
    new = [chunk for chunk in chunks if chunk.pk not in made.chunks]
    if len(made.chunks) + len(new) > MOST:
        raise BadWish(f"more than {MOST} chunks would be sent again; name a run")
    made.chunks.update((chunk.pk, chunk) for chunk in new)
    if not first or made.wish.what is What.STAGING:
        made.unstaged.update(chunk.pk for chunk in new)
    made.unstaged.update(chunk.pk for chunk in new if chunk.state == ChunkState.CANCELLED)
    for batch in batches([chunk.pk for chunk in new]):
        merged = MergeGroup.objects.filter(inputs__output__chunk__in=batch).distinct()
        _add_merges_of(made, list(merged.select_related("run__task")))
        # What a cancelled task has made stays as it is.
        # Where nothing was dumped there is a check without merges, which what is made again may make untrue.
        runs = {made.chunks[key].run_id for key in batch}
        checks = CrossCheck.objects.filter(run__in=runs, kind=CheckKind.DUMP)
        _add_checks(made, list(checks.exclude(run__groups__kind=MergeKind.DUMP).select_related("run")))
        children = Chunk.objects.filter(parent__in=batch).exclude(state__in=_UNTOUCHED)
        children = children.exclude(task__state=TaskState.CANCELLED)
        _add_chunks(made, list(children.select_related("run").order_by("pk")), first=False)


#: Chunks that have not begun, or never will.
_UNTOUCHED = [ChunkState.DEFINED.value, ChunkState.PAUSED.value, ChunkState.CANCELLED.value]


def _add_merges_of(made: Plan, groups: Sequence[MergeGroup]) -> None:
    """Add the merges and checks of runs of which a chunk is made again: what was lost or kept there counts no more."""
    begun = [group for group in groups if group.state not in (GroupState.READY, GroupState.CANCELLED)]
    runs = {group.run_id: group.run for group in begun}
    if not made.wish.with_merges:
        made.merged.update((run.pk, run) for run in runs.values())
        return
    every = MergeGroup.objects.filter(run__in=runs).select_related("run")
    _add_groups(made, list(every.exclude(state=GroupState.CANCELLED)))
    _add_checks(made, list(CrossCheck.objects.filter(run__in=runs).select_related("run")))


def _refuse_merged(made: Plan) -> None:
    """Name the first runs whose merges would have to be made again, too, and how many there are."""
    ordered = sorted(made.merged.values(), key=lambda run: (run.task_id, run.number))
    for run in ordered[:NAMED]:
        words = f"files of run {run.number} of task {run.task.name} are merged already: send its merges again, too"
        made.refused.append(f"{words} (with_merges)")
    if (more := len(ordered) - NAMED) > 0:
        made.refused.append(f"so are those of {more} more run{'s' if more > 1 else ''}")


def _add_groups(made: Plan, groups: Sequence[MergeGroup]) -> None:
    """Add merges with the checks on them."""
    made.groups.update((group.pk, group) for group in groups if group.state != GroupState.READY)
    runs = {group.run_id for group in groups}
    judged = {(group.run_id, _CHECK_OF.get(MergeKind(group.kind))) for group in groups}
    checks = CrossCheck.objects.filter(run__in=runs).select_related("run")
    _add_checks(made, [check for check in checks if (check.run_id, check.kind) in judged])


def _add_checks(made: Plan, checks: Sequence[CrossCheck]) -> None:
    made.checks.update((check.pk, check) for check in checks)


def _add_files(made: Plan) -> None:
    """Add the files that are asked for on tape again."""
    if made.wish.what is not What.ARCHIVE:
        return
    if slip := tape.slip_of(made.task):
        made.refused.append(slip)
        return
    files = tape.files_of(made.task, made.wish, most=MOST)
    if len(files) > MOST:
        raise BadWish(f"more than {MOST} files would be asked for again; name a run")
    made.files.update((file.pk, file) for file in files)


def _count(made: Plan) -> None:
    """Count the files that are made anew, and find the jobs that have not ended."""
    rows: list[Chunk | MergeGroup] = [*made.chunks.values(), *made.groups.values()]
    numbers = {row.job_id for row in rows if row.job_id is not None}
    views = jobs.views(numbers)
    made.living = sorted(number for number, view in views.items() if view.state not in FINAL)
    for keys, name in ((list(made.chunks), "chunk__in"), (list(made.groups), "group__in")):
        for batch in batches(keys):
            sizes = Output.objects.filter(**{name: batch}).values_list("size", flat=True)
            made.outputs += len(sizes)
            made.size += sum(sizes)


def batches(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    """Part keys into what one statement takes."""
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]


def locked_tasks(keys: Iterable[int]) -> dict[int, Task]:
    """Read tasks that nobody else can move until the transaction's end, in the order in which everybody does."""
    rows = Task.objects.select_for_update().defer("filelist").filter(pk__in=sorted(set(keys))).order_by("pk")
    return {task.pk: task for task in rows}
