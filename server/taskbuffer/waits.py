"""The small rows of jobs that wait without a pilot and outside the queue, written in the transaction of each move."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from pilot.contract.states import JobState
from server.taskbuffer.models import Waiting
from server.taskbuffer.states import MAY_BE_ACTIVATED

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
