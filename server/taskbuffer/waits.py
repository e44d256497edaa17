"""The small rows of jobs that wait without a pilot and outside the queue, written in the transaction of each move."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from pilot.contract.job import Role
from pilot.contract.states import JobState
from server.taskbuffer.models import JobFile, Waiting
from server.taskbuffer.states import MAY_BE_ACTIVATED, FileState

#: Where a job is neither in the queue nor with a pilot, and has not ended.
STATES = MAY_BE_ACTIVATED | {JobState.MERGING}


def enter(jobs: Iterable[tuple[int, int]], state: JobState, since: datetime) -> None:
    """Write down jobs, each with its bucket, that begin to wait."""
    rows = [Waiting(job_id=job, bucket_id=bucket, state=state.value, since=since) for job, bucket in jobs]
    Waiting.objects.bulk_create(rows)


def turn(job_ids: Collection[int], state: JobState, since: datetime) -> None:
    """Note that jobs that wait do so in another state now, or forget those that do not wait any more."""
    rows = Waiting.objects.filter(pk__in=job_ids)
    if state in STATES:
        rows.update(state=state.value, since=since)
    else:
        rows.delete()


def unready(job_ids: Collection[int]) -> set[int]:
    """Answer those of these jobs of which an input was not there yet when they were looked at last."""
    pending = JobFile.objects.filter(job__in=job_ids, role=Role.INPUT.value, state=FileState.PENDING.value)
    return set(pending.values_list("job_id", flat=True).distinct())
