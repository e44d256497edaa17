"""Step: another attempt for what failed, a bounded number of times and later each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from pilot.contract.states import FINAL, JobState
from server.production import jobs
from server.production.door import move
from server.production.limits import limits
from server.production.models import Chunk, MergeGroup, TaskEvent
from server.production.states import ACTIVE, ChunkState, GroupState, values

SERVICE = "production.retry"
LONGEST = 86400.0
#: Rows of one transaction: short, since pilots wait for it where the database has one writer.
AT_ONCE = 50
ENDED_BADLY = FINAL - {JobState.FINISHED}


def retry_failed(now: datetime | None = None) -> int:
    """Try failed chunks and groups of active tasks again; answer how many."""
    when, bound = now or timezone.now(), limits()
    retried = 0
    for rows in (_failed(Chunk.objects.all()), _failed(MergeGroup.objects.all())):
        due = [row for row in rows[: bound.events_per_cycle] if row.updated + delay(row.attempts) <= when]
        for start in range(0, len(due), AT_ONCE):
            retried += _again(due[start : start + AT_ONCE])
    return retried


def delay(attempts: int) -> timedelta:
    """Say how long after its last failure something is tried again, after so many attempts."""
    return timedelta(seconds=min(LONGEST, limits().retry_delay * 2.0 ** min(attempts - 1, 20)))


def _failed(rows: QuerySet[Chunk] | QuerySet[MergeGroup]) -> QuerySet[Chunk] | QuerySet[MergeGroup]:
    """Select what may be tried again; what has used its attempts stays failed until a person decides."""
    return rows.filter(state="failed", task__state__in=values(ACTIVE), attempts__lt=F("task__max_attempts")).order_by(
        "id"
    )


@transaction.atomic
def _again(rows: Sequence[Chunk | MergeGroup]) -> int:
    """Order another attempt of the same jobs; where a job's end forbids that, make its row ready for a new one."""
    rows = _still_failed(rows)
    views = jobs.views([row.job_id for row in rows if row.job_id is not None])
    # A job that lives or has finished was tried again by somebody: collect finds that, and a new job would double it.
    over = [row for row in rows if row.job_id not in views or views[row.job_id].state in ENDED_BADLY]
    refused = jobs.retry([row.job_id for row in over if row.job_id is not None], by=SERVICE)
    retried = 0
    for row in over:
        words, states = f"attempt {row.attempts + 1}", ChunkState if isinstance(row, Chunk) else GroupState
        if row.job_id is not None and row.job_id not in refused:
            retried += move(row, states.SENT, by=SERVICE, words=words, attempts=row.attempts + 1)
        else:
            ready = ChunkState.STAGED if isinstance(row, Chunk) else GroupState.READY
            why = refused.get(row.job_id or 0, "")
            retried += move(row, ready, by=SERVICE, words=f"{words} as a new job: {why}", job_id=None)
    return retried


def _still_failed(rows: Sequence[Chunk | MergeGroup]) -> list[Chunk | MergeGroup]:
    """Read rows again inside the transaction: their task may have been cancelled since, and their jobs are not ours."""
    return list(_failed(type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows]).select_for_update()))


def replaced(tasks: Mapping[int, int | None]) -> dict[int, str]:
    """Answer those of these jobs, given with their tasks, whose chunks or groups went on, or will, with other jobs."""
    owned = {number for owners in (Chunk, MergeGroup) for number in _jobs_of(owners, tasks)}
    rest = {number: task for number, task in tasks.items() if task is not None and number not in owned}
    if not rest:
        return {}
    had = set(
        TaskEvent.objects.filter(task__in=set(rest.values()), job_id__in=rest)
        .order_by()
        .values_list("job_id", flat=True)
    )
    return {number: "its production has given it up for another job" for number in rest if number in had}


def _jobs_of(owners: type[Chunk] | type[MergeGroup], numbers: Mapping[int, int | None]) -> set[int | None]:
    return set(owners._default_manager.filter(job_id__in=numbers).values_list("job_id", flat=True))
