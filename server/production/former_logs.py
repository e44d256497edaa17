"""Logs of tries that came to nothing, of jobs that failed or in whose place others came: they are packed, too.

Nobody needed a row for them until then. What a pilot that was lost may have stored without telling is known to nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from pilot.contract.job import Role
from server.dataservice.lookups import holdings
from server.dataservice.states import ReplicaState
from server.production import jobs
from server.production.files import SCOPE
from server.production.jobs import Stored
from server.production.models import Chunk, MergeGroup, Output, Run, TaskEvent
from server.production.states import ChunkState, GroupState, MergeKind, OutputKind

#: Rows of one statement.
BATCH = 400


@transaction.atomic
def keep_former_logs(run: Run) -> int:
    """Write down the logs of a run that nobody has a row for; answer how many. May be repeated."""
    Run.objects.select_for_update().get(pk=run.pk)
    chunks = Chunk.objects.filter(run=run)
    groups = MergeGroup.objects.filter(run=run).exclude(kind=MergeKind.LOGS)
    # By the run alone: a task has so many events that a database must not look through them.
    of_chunks = _former(chunks, TaskEvent.objects.filter(chunk__run=run), "chunk", ChunkState.FINISHED)
    of_groups = _former(groups, TaskEvent.objects.filter(group__in=groups), "group", GroupState.FINISHED)
    rows = [*_rows(run, of_chunks, "chunk_id"), *_rows(run, of_groups, "group_id")]
    Output.objects.bulk_create(rows, batch_size=BATCH)
    return len(rows)


def _former(owners: QuerySet[Any], events: QuerySet[TaskEvent], link: str, finished: str) -> dict[int, int]:
    """Answer every job that these chunks or merges have had, with its owner, but those whose logs have rows."""
    had = events.filter(job_id__isnull=False).order_by().values_list("job_id", f"{link}_id").distinct()
    found = {number: owner for number, owner in had if number is not None}
    found |= dict(owners.filter(job_id__isnull=False).values_list("job_id", "pk"))
    for number in owners.filter(state=finished).values_list("job_id", flat=True):
        found.pop(number, None)
    return found


def _rows(run: Run, of: dict[int, int], link: str) -> Iterable[Output]:
    stored = jobs.stored(of)
    logs = [file for number in sorted(stored) for file in stored[number] if file.role is Role.LOG]
    # Of jobs that wrote the same name the last one's is there.
    named = {(file.dataset, file.lfn): file for file in logs}
    for file in _there(named):
        yield Output(
            task_id=run.task_id,
            run_id=run.pk,
            **{link: of[file.job_id]},
            kind=OutputKind.LOG.value,
            dataset=file.dataset,
            lfn=file.lfn,
            endpoint=file.endpoint,
            url=file.url,
            size=file.size,
            checksum=file.checksum,
            job_file_id=file.id,
            created=timezone.now(),
        )


def _there(named: dict[tuple[str, str], Stored]) -> list[Stored]:
    """Leave out what has a row already, and what the catalogue says is not on its storage any more."""
    known = _with_rows(named)
    held = holdings(SCOPE, named.keys() - known)
    found = []
    for key, file in named.items():
        there = key not in held or held[key].replicas.get(file.endpoint) is ReplicaState.AVAILABLE
        if key not in known and there:
            found.append(file)
    return found


def _with_rows(names: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for dataset in {dataset for dataset, _ in names}:
        lfns = sorted(lfn for one, lfn in names if one == dataset)
        for start in range(0, len(lfns), BATCH):
            some = Output.objects.filter(dataset=dataset, lfn__in=lfns[start : start + BATCH])
            found.update(some.order_by().values_list("dataset", "lfn"))
    return found
