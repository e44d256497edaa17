"""Jobs enter the queue: for the first time when their inputs are ready, or again after a failure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from pilot.contract.states import JobState
from server.taskbuffer.hot import rows
from server.taskbuffer.states import MAY_BE_ACTIVATED


@transaction.atomic
def activate(job_ids: Iterable[int], *, by: str, now: datetime | None = None) -> list[int]:
    """Queue jobs whose inputs are ready; answer those that were waiting for it, and are queued now."""
    at, activated = now or timezone.now(), []
    with connection.cursor() as cursor:
        for job_id in sorted(set(job_ids)):
            job = rows.standing(cursor, job_id)
            if job is None or job.state not in MAY_BE_ACTIVATED:
                continue
            rows.move_job(cursor, job, JobState.ACTIVATED, {"activated_at": rows.stamp(at)})
            rows.add_event(cursor, job, JobState.ACTIVATED, at, by)
            rows.add_ready(cursor, job_id, job.bucket, job.priority)
            rows.inputs_ready(cursor, job_id)
            activated.append(job_id)
    return activated


@transaction.atomic
def retry(job_ids: Iterable[int], *, by: str, now: datetime | None = None) -> dict[int, str]:
    """Try failed jobs again: the next attempt, ten steps of priority lower, even beyond the attempts ordered.

    Returns:
        For each job that cannot be tried again, why.
    """
    at, refused = now or timezone.now(), {}
    with connection.cursor() as cursor:
        for job_id in sorted(set(job_ids)):
            job = rows.standing(cursor, job_id)
            if job is None:
                refused[job_id] = "there is no such job"
            elif job.state is not JobState.FAILED:
                refused[job_id] = f"it is {job.state.value}; only failed jobs are tried again"
            else:
                rows.again(cursor, job, at, by, "asked for")
    return refused
