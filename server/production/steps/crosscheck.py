"""Steps: whether everything that went into a run's merges came out again: over all merge groups, and of each."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from pilot.contract.naming import EMPTY_DUMP_SIZE
from server.production.chains import every_merge
from server.production.door import move
from server.production.judging import Merged, Sums, judge_dumps, judge_events
from server.production.models import CrossCheck, MergeGroup, Output, Run
from server.production.programs import programs_of
from server.production.states import (
    ACTIVE,
    PASSED,
    CheckKind,
    GroupState,
    MergeKind,
    OutputKind,
    values,
)
from server.production.steps.apart import by_itself

SERVICE = "production.crosscheck"

#: What each check looks at.
MERGES = {CheckKind.MDST: MergeKind.MDST, CheckKind.DUMP: MergeKind.DUMP}


def check_events() -> int:
    """Compare the events of each merged run with those of its chunks; answer how many runs were judged."""
    return _check(CheckKind.MDST)


def check_dumps() -> int:
    """Compare the bytes of each run's merged event dumps with those of its chunks; answer how many were judged."""
    return _check(CheckKind.DUMP)


def _check(kind: CheckKind) -> int:
    runs = list(_to_check(kind).select_related("task").defer("task__filelist"))
    return sum(by_itself(run.task, SERVICE, partial(_judge_if_due, run.pk, kind), False) for run in runs)


@transaction.atomic
def _judge_if_due(key: int, kind: CheckKind) -> bool:
    """Judge a run, unless a person has settled its check meanwhile."""
    list(Run.objects.select_for_update().filter(pk=key))
    run = _to_check(kind).select_related("task").defer("task__filelist").filter(pk=key).first()
    return run is not None and bool(judge(run, kind, by=SERVICE))


def _to_check(kind: CheckKind) -> QuerySet[Run]:
    """Select the runs that are merged and not judged; of those judged badly, the ones merged anew since."""
    merges = MergeGroup.objects.filter(kind=MERGES[kind].value)
    groups = merges.filter(run=OuterRef("pk"))
    remade = merges.filter(run=OuterRef("run"), updated__gt=OuterRef("at"))
    settled = CrossCheck.objects.filter(
        Q(verdict__in=values(PASSED)) | ~Exists(remade), run=OuterRef("pk"), kind=kind.value
    )
    types = [word for merge, words in every_merge() if merge.check is kind for word in words]
    runs = Run.objects.filter(task__state__in=values(ACTIVE), task__type__in=types)
    return runs.filter(Exists(groups), ~Exists(groups.exclude(state=GroupState.FINISHED)), ~Exists(settled)).order_by(
        "task", "number"
    )


@transaction.atomic
def judge(run: Run, kind: CheckKind, *, by: str) -> CrossCheck:
    """Hold a run's merges against what went into them; a group that differs waits for a person."""
    sums = _events_of(run) if kind is CheckKind.MDST else _bytes_of(run)
    set_apart(run, kind, sums.bad, by=by)
    check, _ = CrossCheck.objects.update_or_create(
        run=run,
        kind=kind.value,
        defaults={
            "task_id": run.task_id,
            "verdict": sums.verdict.value,
            "expected": sums.expected,
            "found": sums.found,
            "words": sums.words[:500],
            # Later than the moves above: a group that moves after this was made anew.
            "at": timezone.now(),
        },
    )
    return check


def set_apart(run: Run, kind: CheckKind, bad: Iterable[Merged], *, by: str) -> None:
    """Let the groups that differ wait: from there a person sends them again, or accepts them."""
    differing = {group.number: group.words for group in bad}
    groups = MergeGroup.objects.filter(run=run, kind=MERGES[kind].value, number__in=differing)
    for group in groups.filter(state=GroupState.FINISHED):
        move(group, GroupState.MANUAL_CHECK, by=by, words=f"{kind.label}: {differing[group.number]}")


def _events_of(run: Run) -> Sums:
    groups = MergeGroup.objects.filter(run=run, kind=MergeKind.MDST).order_by("number")
    counted = groups.annotate(
        of_inputs=Sum("inputs__output__events"), unknown=Count("inputs", filter=Q(inputs__output__events=None))
    )
    return judge_events(
        list(run.chunks.order_by("number").values_list("number", "events_done")),
        [Merged(group.number, None if group.unknown else group.of_inputs, group.events_found) for group in counted],
    )


def _bytes_of(run: Run) -> Sums:
    head = programs_of(run.task.program).dump_head
    groups = MergeGroup.objects.filter(run=run, kind=MergeKind.DUMP).order_by("number")
    counted = groups.annotate(of_inputs=Sum("inputs__output__size"), files=Count("inputs"))
    dumps = Output.objects.filter(run=run, kind=OutputKind.DUMP, size__gt=EMPTY_DUMP_SIZE)
    return judge_dumps(
        list(dumps.values_list("size", flat=True)),
        [Merged(group.number, _bodies(group.of_inputs, group.files, head), group.size) for group in counted],
        head=head,
    )


def _bodies(size: int | None, files: int, head: int) -> int | None:
    """Answer the bytes of dumps without their heads; unknown where a merge has lost all its inputs."""
    return None if size is None else size - head * files
