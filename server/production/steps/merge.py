"""Steps: a run's mDSTs, histograms and event dumps become merge groups, and groups become jobs.

A kind is planned once per run, when nothing can be added to the run any more. The groups never change: a merge that
fails is tried again with the same files under the same number.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from pilot.contract.codec import ContractError
from pilot.contract.naming import EMPTY_DUMP_SIZE
from server.production import jobs, orders
from server.production.door import move
from server.production.files import SOURCE_OF
from server.production.frames import NoStorage, frame_of, input_of
from server.production.limits import Limits, limits
from server.production.merging import plan_merge
from server.production.models import Chunk, CrossCheck, MergeGroup, MergeInput, Output, Run
from server.production.states import (
    ACTIVE,
    CheckKind,
    ChunkState,
    GroupState,
    MergeKind,
    TaskType,
    Verdict,
    values,
)
from server.production.steps.submit import MovedMeanwhile, set_running

log = logging.getLogger(__name__)


def service(kind: MergeKind) -> str:
    return f"production.merge_{kind.value}"


def merge(kind: MergeKind) -> int:
    """Plan and submit all merges of a kind that can be; answer the number of jobs."""
    for run in _to_plan(kind):
        plan_run(run, kind, limits())
    return submit_groups(kind, limits())


def _to_plan(kind: MergeKind) -> QuerySet[Run]:
    """Select the runs whose turn it is and that have no groups of the kind yet."""
    runs = Run.objects.filter(task__state__in=values(ACTIVE), task__type=TaskType.MC_RECONSTRUCTION)
    runs = runs.filter(~Exists(MergeGroup.objects.filter(run=OuterRef("pk"), kind=kind.value)))
    chunks = Chunk.objects.filter(run=OuterRef("pk"))
    if kind is MergeKind.MDST:
        runs = runs.filter(Exists(chunks), ~Exists(chunks.exclude(state=ChunkState.FINISHED)))
    else:
        checks = CrossCheck.objects.filter(run=OuterRef("pk"))
        runs = runs.filter(Exists(checks.filter(kind=CheckKind.MDST, verdict=Verdict.YES)))
        if kind is MergeKind.DUMP:
            runs = runs.filter(~Exists(checks.filter(kind=CheckKind.DUMP)), task__merge_dumps=True)
    return runs.select_related("task").order_by("task", "number")


@transaction.atomic
def plan_run(run: Run, kind: MergeKind, bounds: Limits) -> None:
    """Put the run's files of the kind into groups."""
    Run.objects.select_for_update().get(pk=run.pk)
    if MergeGroup.objects.filter(run=run, kind=kind.value).exists():
        return
    files = list(Output.objects.filter(run=run, kind=SOURCE_OF[kind]).order_by("chunk__number"))
    if kind is MergeKind.DUMP:
        files = [file for file in files if file.size > EMPTY_DUMP_SIZE]
        if not files:
            _nothing_dumped(run)
    target = {
        MergeKind.MDST: bounds.merge_target,
        MergeKind.HISTOGRAMS: bounds.histogram_target,
        MergeKind.DUMP: bounds.dump_target,
    }[kind]
    sizes = [file.size for file in files]
    for number, part in enumerate(plan_merge(sizes, target=target, most=bounds.merge_files)):
        _create(run, kind, number, files[part.start : part.stop], bounds)


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


def _create(run: Run, kind: MergeKind, number: int, files: Sequence[Output], bounds: Limits) -> None:
    size = sum(file.size for file in files)
    events = [file.events for file in files]
    group = MergeGroup.objects.create(
        task_id=run.task_id,
        run=run,
        kind=kind.value,
        number=number,
        size_expected=size,
        events_expected=sum(one or 0 for one in events) if kind is MergeKind.MDST and None not in events else None,
    )
    MergeInput.objects.bulk_create([MergeInput(group=group, output=file) for file in files])
    if size > bounds.merge_refusal:
        words = f"{size} bytes are more than the {bounds.merge_refusal} that the merging program takes"
        move(group, GroupState.MANUAL_CHECK, by=service(kind), words=words)


def submit_groups(kind: MergeKind, bounds: Limits) -> int:
    """Submit the jobs of ready groups, a bounded number; answer how many."""
    ready = MergeGroup.objects.filter(kind=kind.value, state=GroupState.READY, task__state__in=values(ACTIVE))
    submitted, waiting = 0, jobs.queued()
    for group in ready.select_related("task", "run").order_by("task", "run__number", "number")[: bounds.jobs_per_task]:
        if waiting[group.task.queue] >= bounds.queued_per_queue:
            continue
        try:
            _send(group, bounds)
        except (NoStorage, MovedMeanwhile, ContractError) as why:
            log.warning("%s: nothing was submitted: %s", group, why)
        else:
            submitted += 1
            waiting[group.task.queue] += 1
    return submitted


@transaction.atomic
def _send(group: MergeGroup, bounds: Limits) -> None:
    """Submit a group's job and write its number beside the group, or neither."""
    kind = MergeKind(group.kind)
    files = [input_of(link.output) for link in group.inputs.select_related("output").order_by("output__chunk__number")]
    frame = frame_of(group.task)
    order = orders.merging(frame, kind, group.run.number, group.number, files, refusal=bounds.merge_refusal)
    (number,) = jobs.submit([order], by=service(kind))
    if not move(group, GroupState.SENT, by=service(kind), job_id=number, attempts=group.attempts + 1):
        raise MovedMeanwhile(f"{group} was moved by somebody else; the next cycle tries again")
    set_running(group.task_id, by=service(kind))


def merge_mdst() -> int:
    """Merge the mDSTs of runs whose jobs are all finished."""
    return merge(MergeKind.MDST)


def merge_histograms() -> int:
    """Merge the histograms of runs whose events were all found again in the merged mDSTs."""
    return merge(MergeKind.HISTOGRAMS)


def merge_dumps() -> int:
    """Merge the event dumps of the same runs."""
    return merge(MergeKind.DUMP)
