"""Jobs enter the queue: for the first time when their inputs are ready, or again after a failure.

Those that wait are moved in bulk: a number of statements for hundreds of jobs, whatever their number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from django.db import connection
from django.utils import timezone

from pilot.contract.job import Role
from pilot.contract.server_codes import DataServiceCode
from pilot.contract.states import JobState, may_follow
from server.lib.moves import IllegalMove
from server.lib.transactions import whole
from server.taskbuffer import waits
from server.taskbuffer.again import try_again
from server.taskbuffer.hot import rows
from server.taskbuffer.models import ArchivedJob, Job, JobFile
from server.taskbuffer.retry_rules import Decision
from server.taskbuffer.states import MAY_BE_ACTIVATED, FileState, rank

#: Jobs of one statement.
BATCH = 500


@whole
def activate(job_ids: Iterable[int], *, by: str, now: datetime | None = None) -> list[int]:
    """Queue jobs whose inputs are ready; answer those that were waiting for it, and are queued now."""
    at, activated = now or timezone.now(), list[int]()
    for jobs in _waiting(job_ids):
        _move(jobs, JobState.ACTIVATED, at, by, activated_at=at)
        with connection.cursor() as cursor:
            places = [(job.pk, job.bucket_id, rank(job.priority, job.pk)) for job in jobs]
            rows.add_all_ready(cursor, places)
        numbers = [job.pk for job in jobs]
        JobFile.objects.filter(job__in=numbers, role=Role.INPUT.value).update(state=FileState.READY.value)
        activated += numbers
    return activated


@whole
def place(
    job_ids: Iterable[int], after: JobState, *, by: str, detail: str = "", now: datetime | None = None
) -> list[int]:
    """Say of jobs that wait what they wait for, in PanDA's words; answer those that are moved.

    Args:
        job_ids: PandaIDs.
        after: ``assigned``: their inputs are on the way; ``waiting``: of an input nothing is known; ``defined``.
        by: Who says so.
        detail: Words for the event.
        now: The time.

    Raises:
        IllegalMove: a job cannot become that from where it is; none was moved.
    """
    at, moved = now or timezone.now(), list[int]()
    for jobs in _waiting(job_ids):
        others = [job for job in jobs if job.state != after.value]
        _move(others, after, at, by, detail={job.pk: detail for job in others})
        moved += [job.pk for job in others]
    return moved


@whole
def fail_waiting(words: Mapping[int, str], *, by: str, now: datetime | None = None) -> list[int]:
    """End jobs whose inputs cannot come, each with its words and PanDA's ``ddmErrorCode``; answer those that waited."""
    at, failed = now or timezone.now(), list[int]()
    for jobs in _waiting(words):
        said = {job.pk: rows.cut(words[job.pk], 500) for job in jobs}
        for alike in sorted(set(said.values())):
            some = [job for job in jobs if said[job.pk] == alike]
            columns = {"data_error": int(DataServiceCode.SETUP), "server_error_words": alike, "ended_at": at}
            _move(some, JobState.FAILED, at, by, detail=said, **columns)
        numbers = [job.pk for job in jobs]
        unwritten = JobFile.objects.filter(job__in=numbers, state=FileState.UNKNOWN.value)
        unwritten.update(state=FileState.FAILED.value)
        failed += numbers
    return failed


def _waiting(job_ids: Iterable[int]) -> Iterator[Sequence[Job]]:
    """Read those of these jobs that wait, and hold them until the transaction ends."""
    ordered, may_wait = sorted(set(job_ids)), [state.value for state in MAY_BE_ACTIVATED]
    for start in range(0, len(ordered), BATCH):
        batch = ordered[start : start + BATCH]
        jobs = Job.objects.select_for_update().filter(pk__in=batch, state__in=may_wait).order_by("pk")
        found = list(jobs.only("pk", "state", "attempt", "bucket_id", "priority"))
        if found:
            yield found


def _move(
    jobs: Sequence[Job],
    after: JobState,
    at: datetime,
    by: str,
    *,
    detail: Mapping[int, str] | None = None,
    **columns: object,
) -> None:
    for job in jobs:
        if not may_follow(JobState(job.state), after):
            raise IllegalMove(JobState(job.state), after)
    numbers = [job.pk for job in jobs]
    Job.objects.filter(pk__in=numbers).update(state=after.value, **columns)
    waits.turn(numbers, after, at)
    words = detail or {}
    with connection.cursor() as cursor:
        stamp = rows.stamp(at)
        events = [
            (job.pk, job.attempt, job.state, after.value, stamp, by, rows.cut(words.get(job.pk, ""), 500))
            for job in jobs
        ]
        rows.add_events(cursor, events)


@whole
def retry(
    job_ids: Iterable[int], *, by: str, elsewhere: Collection[int] = (), now: datetime | None = None
) -> dict[int, str]:
    """Try failed jobs again: the next attempt, ten steps of priority lower, even beyond the attempts ordered.

    Those that failed while they waited for their inputs wait for them again. Those of ``elsewhere`` go to another
    queue, where one takes them in which they have not been.

    Returns:
        For each job that cannot be tried again, why.
    """
    at, refused = now or timezone.now(), {}
    with connection.cursor() as cursor:
        for job_id in sorted(set(job_ids)):
            job = rows.standing(cursor, job_id, held=True)
            if job is None:
                archived = ArchivedJob.objects.filter(pk=job_id).exists()
                refused[job_id] = "it is in the archive; submit it again" if archived else "there is no such job"
            elif job.state is not JobState.FAILED:
                refused[job_id] = f"it is {job.state.value}; only failed jobs are tried again"
            elif waits.unready([job_id]):
                rows.again(cursor, job, at, by, "asked for", JobState.DEFINED)
                waits.enter([(job_id, job.bucket)], JobState.DEFINED, at)
            elif job_id in elsewhere:
                try_again(cursor, job, Decision(again=True, elsewhere=True), at, by, "asked for elsewhere")
            else:
                rows.again(cursor, job, at, by, "asked for")
    return refused
