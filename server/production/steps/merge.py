"""Steps: a run's mDSTs, histograms and event dumps become merge groups, and groups become jobs.

Which kinds a type of task merges, and after what, its chain says. A kind is planned once per run, when nothing can be
added to the run any more; a dump that comes later, where there was none, gets a group of its own. The groups never
change: a merge that fails is tried again with the same files under the same number.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from pilot.contract.codec import ContractError
from pilot.contract.naming import EMPTY_DUMP_SIZE
from server.production import jobs
from server.production.chains import merges_of
from server.production.door import move
from server.production.files import SOURCE_OF
from server.production.frames import NoStorage, merging_queue_of
from server.production.limits import Limits
from server.production.merging import plan_merge
from server.production.models import Chunk, CrossCheck, MergeGroup, MergeInput, Output, Run, Task
from server.production.ordering import events_in, order_for
from server.production.reference.known import Known, read_known
from server.production.remaking import forget_check
from server.production.states import (
    ACTIVE,
    PASSED,
    CheckKind,
    ChunkState,
    GroupState,
    MergeKind,
    TaskState,
    Verdict,
    values,
)
from server.production.steps.apart import by_itself
from server.production.steps.submit import MovedMeanwhile, set_running, still_active

log = logging.getLogger(__name__)


def service(kind: MergeKind) -> str:
    return f"production.merge_{kind.value}"


def merge(kind: MergeKind) -> int:
    """Plan and submit all merges of a kind that can be; answer the number of jobs."""
    known = read_known()
    for run in _to_plan(kind):
        by_itself(run.task, service(kind), partial(_plan, run, kind, known), None)
    return submit_groups(kind, known)


def _plan(run: Run, kind: MergeKind, known: Known) -> None:
    plan_run(run, kind, known.limits_for(run.task))


def ripe(kind: MergeKind) -> QuerySet[Run]:
    """Select the runs of which a kind can be merged: their jobs have all finished, what must come before has passed."""
    if kind is MergeKind.LOGS:
        return Run.objects.filter(task__state=TaskState.ARCHIVING)
    chunks, checks = Chunk.objects.filter(run=OuterRef("pk")), CrossCheck.objects.filter(run=OuterRef("pk"))
    turn = Q(pk=None)
    for way, types in merges_of(kind):
        ready = Q(task__type__in=types)
        if way.optional:
            ready &= Q(task__merge_dumps=True)
        if way.after is not None:
            ready &= Q(Exists(checks.filter(kind=way.after, verdict__in=values(PASSED))))
        turn |= ready
    runs = Run.objects.filter(turn, task__state__in=values(ACTIVE))
    return runs.filter(Exists(chunks), ~Exists(chunks.exclude(state=ChunkState.FINISHED)))


def _to_plan(kind: MergeKind) -> QuerySet[Run]:
    """Select those of them that have no groups of the kind yet, or files that are in none."""
    if kind is MergeKind.LOGS:
        # Whatever is not packed yet: a merge that was made again has left another log.
        unpacked = Exists(to_group(kind).filter(run=OuterRef("pk")))
        return ripe(kind).filter(unpacked).select_related("task").defer("task__filelist").order_by("task", "number")
    planned = Q(Exists(MergeGroup.objects.filter(run=OuterRef("pk"), kind=kind.value)))
    runs = ripe(kind)
    if kind is MergeKind.DUMP:
        # Where no event was dumped, that was said at once: there is a check, and there are no groups.
        planned |= Q(Exists(CrossCheck.objects.filter(run=OuterRef("pk"), kind=CheckKind.DUMP)))
        # A chunk that is made again may dump events where it had none before.
        runs = runs.filter(~planned | Exists(to_group(kind).filter(run=OuterRef("pk"))))
    else:
        runs = runs.filter(~planned)
    return runs.select_related("task").defer("task__filelist").order_by("task", "number")


def to_group(kind: MergeKind) -> QuerySet[Output]:
    """Select the files of chunks that are in no group, and belong into one: markers of empty dumps do not."""
    least = EMPTY_DUMP_SIZE if kind is MergeKind.DUMP else -1
    files = Output.objects.filter(kind=SOURCE_OF[kind], size__gt=least, merged_in__isnull=True)
    # The logs of packing itself stay where they are.
    return files.exclude(group__kind=kind.value) if kind is MergeKind.LOGS else files


@transaction.atomic
def plan_run(run: Run, kind: MergeKind, bounds: Limits) -> None:
    """Put the run's files of the kind into groups; groups that are there stay as they are, and others follow them."""
    Run.objects.select_for_update().get(pk=run.pk)
    groups = MergeGroup.objects.filter(run=run, kind=kind.value)
    first = groups.count()
    if first and kind not in (MergeKind.DUMP, MergeKind.LOGS):
        return
    files = list(to_group(kind).filter(run=run).order_by("chunk__number", "lfn"))
    if kind is MergeKind.DUMP:
        checked = CrossCheck.objects.filter(run=run, kind=CheckKind.DUMP).exists()
        if files:
            forget_check(run, kind, "a dump has come that is in no merge yet", by=service(kind))
        elif not first and not checked:
            _nothing_dumped(run)
    target = {
        MergeKind.MDST: bounds.merge_target,
        MergeKind.HISTOGRAMS: bounds.histogram_target,
        MergeKind.DUMP: bounds.dump_target,
        MergeKind.LOGS: bounds.log_target,
    }[kind]
    sizes = [file.size for file in files]
    # What the program refuses is never planned, whatever is wanted: only a single file can be so large.
    parts = plan_merge(sizes, target=min(target, bounds.merge_refusal), most=bounds.merge_files)
    for number, part in enumerate(parts, first):
        _create(run, kind, number, files[part.start : part.stop])


def _nothing_dumped(run: Run) -> None:
    """An empty dump is a marker: a run of markers has nothing to merge, and nothing can have been lost."""
    CrossCheck.objects.create(
        task_id=run.task_id,
        run=run,
        kind=CheckKind.DUMP,
        verdict=Verdict.YES,
        expected=0,
        found=0,
        words="no event of this run was dumped: there is nothing to merge",
        at=timezone.now(),
    )


def _create(run: Run, kind: MergeKind, number: int, files: Sequence[Output]) -> None:
    group = MergeGroup.objects.create(
        task_id=run.task_id,
        run=run,
        kind=kind.value,
        number=number,
        size_expected=sum(file.size for file in files),
        events_expected=events_in(files) if kind is MergeKind.MDST else None,
    )
    MergeInput.objects.bulk_create([MergeInput(group=group, output=file) for file in files])


def submit_groups(kind: MergeKind, known: Known) -> int:
    """Submit the jobs of ready groups, a bounded number of each task; answer how many."""
    # A chunk may be made again after its run was planned, and a check may be taken back: then a group waits.
    ready = MergeGroup.objects.filter(kind=kind.value, state=GroupState.READY, run__in=ripe(kind))
    ready = ready.order_by("task", "run__number", "number")
    waiting, submitted = jobs.queued(), 0
    for task in Task.objects.filter(pk__in=ready.order_by().values("task")).defer("filelist").order_by("pk"):
        part = partial(_submit_of, task, ready.filter(task=task), known, waiting)
        submitted += by_itself(task, service(kind), part, 0)
    return submitted


def _submit_of(task: Task, ready: QuerySet[MergeGroup], known: Known, waiting: Counter[str]) -> int:
    """Submit the jobs of one task's ready groups, as many as its queue takes, and count them there."""
    queue, bounds = merging_queue_of(task), known.limits_for(task)
    most = min(bounds.jobs_per_task, known.limits_at(queue).queued_per_queue - waiting[queue])
    sent = _submit_some(list(ready.select_related("task", "run").defer("task__filelist")[: max(0, most)]), bounds)
    waiting[queue] += sent
    return sent


def _submit_some(groups: Sequence[MergeGroup], bounds: Limits) -> int:
    """Submit the jobs of one task's groups; what refuses one of them for the task's sake refuses all."""
    submitted = 0
    for group in groups:
        try:
            submitted += _try(group, bounds)
        except (NoStorage, ContractError) as why:
            log.warning("%s: nothing was submitted: %s", group, why)
            break
        except MovedMeanwhile as why:
            log.warning("%s: nothing was submitted: %s", group, why)
    return submitted


def _try(group: MergeGroup, bounds: Limits) -> bool:
    """Submit a group's job if its program can take the files; those that are too large go to a person.

    Raises:
        NoStorage, ContractError, MovedMeanwhile: it cannot be submitted now.
    """
    kind = MergeKind(group.kind)
    # As they are now: one may have been made again since the group was planned.
    files = list(Output.objects.filter(merged_in__group=group).order_by("chunk__number", "lfn"))
    size = sum(file.size for file in files)
    if size > bounds.merge_refusal:
        words = f"{size} bytes are more than the {bounds.merge_refusal} that the merging program takes"
        move(group, GroupState.MANUAL_CHECK, by=service(kind), words=words)
        return False
    _send(group, kind, files, bounds)
    return True


@transaction.atomic
def _send(group: MergeGroup, kind: MergeKind, files: Sequence[Output], bounds: Limits) -> None:
    """Submit a group's job and write its number beside the group, or neither; what it made before does not count."""
    # The task first, as whoever stops it does: else the two would wait for each other.
    _still_packing(group.task_id) if kind is MergeKind.LOGS else still_active(group.task_id)
    order, attempts = order_for(group, files, refusal=bounds.merge_refusal), group.attempts + 1
    (number,) = jobs.submit([order], by=service(kind))
    now_known: dict[str, Any] = {
        "size_expected": sum(file.size for file in files),
        "events_expected": events_in(files) if kind is MergeKind.MDST else None,
        "size": None,
        "events_found": None,
        "attempts": attempts,
        "ahead": attempts - order.first_attempt,
    }
    if not move(group, GroupState.SENT, by=service(kind), job_id=number, **now_known):
        raise MovedMeanwhile(f"{group} was moved by somebody else; the next cycle tries again")
    if kind is not MergeKind.LOGS:
        set_running(group.task_id, by=service(kind))


def _still_packing(key: int) -> Task:
    task = Task.objects.select_for_update().defer("filelist").get(pk=key)
    if task.state != TaskState.ARCHIVING:
        raise MovedMeanwhile(f"{task} is {task.state} now")
    return task


def merge_mdst() -> int:
    """Merge the mDSTs of runs whose jobs are all finished."""
    return merge(MergeKind.MDST)


def merge_histograms() -> int:
    """Merge the histograms of runs whose check of events has passed."""
    return merge(MergeKind.HISTOGRAMS)


def merge_dumps() -> int:
    """Merge the event dumps of the same runs, and those that filtering has made."""
    return merge(MergeKind.DUMP)
