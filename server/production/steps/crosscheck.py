"""Steps: whether everything that went into a run's merges came out again, over all merge groups."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from pilot.contract.naming import EMPTY_DUMP_SIZE
from server.production.judging import Sums, judge_dumps, judge_events
from server.production.models import CrossCheck, MergeGroup, Output, Run
from server.production.states import (
    ACTIVE,
    CheckKind,
    GroupState,
    MergeKind,
    OutputKind,
    TaskType,
    Verdict,
    values,
)

_MERGES = {CheckKind.MDST: MergeKind.MDST, CheckKind.DUMP: MergeKind.DUMP}


def check_events() -> int:
    """Compare the events of each merged run with those of its chunks; answer how many runs were judged."""
    return sum(_judge(run, CheckKind.MDST) for run in _to_check(CheckKind.MDST))


def check_dumps() -> int:
    """Compare the bytes of each run's merged event dumps with those of its chunks; answer how many were judged."""
    return sum(_judge(run, CheckKind.DUMP) for run in _to_check(CheckKind.DUMP))


def _to_check(kind: CheckKind) -> QuerySet[Run]:
    """Select the runs that are merged and not judged; of those judged badly, the ones merged anew since."""
    merges = MergeGroup.objects.filter(kind=_MERGES[kind].value)
    groups = merges.filter(run=OuterRef("pk"))
    remade = merges.filter(run=OuterRef("run"), updated__gt=OuterRef("at"))
    settled = CrossCheck.objects.filter(Q(verdict=Verdict.YES) | ~Exists(remade), run=OuterRef("pk"), kind=kind.value)
    runs = Run.objects.filter(task__state__in=values(ACTIVE), task__type=TaskType.MC_RECONSTRUCTION)
    return runs.filter(Exists(groups), ~Exists(groups.exclude(state=GroupState.FINISHED)), ~Exists(settled)).order_by(
        "task", "number"
    )


@transaction.atomic
def _judge(run: Run, kind: CheckKind) -> bool:
    sums = _events_of(run) if kind is CheckKind.MDST else _bytes_of(run)
    CrossCheck.objects.update_or_create(
        run=run,
        kind=kind.value,
        defaults={
            "task_id": run.task_id,
            "verdict": sums.verdict.value,
            "expected": sums.expected,
            "found": sums.found,
            "words": sums.words[:500],
            "at": timezone.now(),
        },
    )
    return True


def _events_of(run: Run) -> Sums:
    groups = MergeGroup.objects.filter(run=run, kind=MergeKind.MDST).order_by("number")
    return judge_events(
        list(run.chunks.order_by("number").values_list("number", "events_done")),
        list(groups.values_list("number", "events_found")),
    )


def _bytes_of(run: Run) -> Sums:
    groups = MergeGroup.objects.filter(run=run, kind=MergeKind.DUMP)
    return judge_dumps(
        list(Output.objects.filter(run=run, kind=OutputKind.DUMP).values_list("size", flat=True)),
        list(groups.values_list("size", flat=True)),
        empty=EMPTY_DUMP_SIZE,
    )
