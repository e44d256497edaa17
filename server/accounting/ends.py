"""Reads of the task buffer's rows what a move of a job is counted by: from the tables, or out of the archive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
from django.db.models import BigIntegerField, Count, Sum, Value
from django.db.models.functions import Coalesce, Least

from pilot.contract.codec import ContractError, Dialect, decode
from pilot.contract.job import Role
from pilot.contract.job_wire import NULL
from pilot.contract.messages import JobUpdate
from pilot.contract.states import JobState
from server.accounting.sums import Facts, Move, Try
from server.taskbuffer.archive import Archived
from server.taskbuffer.models import Attempt, Job, JobEvent, JobFile, JobParameters, JobReport
from server.taskbuffer.resets import ResetJob
from server.taskbuffer.retry_rules import Source

#: The numbers of a failed attempt, the most telling one first.
_CAUSES = (
    (Source.PAYLOAD, "payload_error"),
    (Source.PILOT, "pilot_error"),
    (Source.DATA, "data_error"),
    (Source.DISPATCHER, "dispatcher_error"),
    (Source.EXIT, "exit_status"),
)

#: No single try has more: anything may be ordered and reported, and sums of it must fit their columns.
_MOST = 10**13
_LARGEST_CODE = 2**31 - 1

_MOVE = ("pk", "job_id", "attempt", "before", "after", "at")

Moment = tuple[int, datetime]


def moves_between(after: int, upto: int, most: int) -> list[Move]:
    """Answer the next events of all jobs, oldest number first."""
    rows = JobEvent.objects.filter(pk__gt=after, pk__lte=upto).order_by("pk").values_list(*_MOVE)[:most]
    return [Move(*row) for row in rows]


def moves_of(job_ids: Collection[int]) -> list[Move]:
    """Answer all events of these jobs that stand in their table."""
    return [Move(*row) for row in JobEvent.objects.filter(job__in=job_ids).order_by("pk").values_list(*_MOVE)]


def moves_in(archived: Archived) -> list[Move]:
    """Answer the events of an archived job."""
    return [
        Move(row.pk, row.job_id, row.attempt, row.before, row.after, row.at) for row in archived.rows("moves", JobEvent)
    ]


def given_again(moves: Iterable[Move]) -> set[Moment]:
    """Answer when failed jobs were given another attempt, among these moves."""
    failed, queued = JobState.FAILED.value, JobState.ACTIVATED.value
    return {move.moment for move in moves if move.before == failed and move.after == queued}


def followed(moves: Collection[Move]) -> set[Moment]:
    """Answer when the jobs that failed by one of these moves were given another attempt, at any time."""
    jobs = {move.job for move in moves if move.after == JobState.FAILED.value}
    if not jobs:
        return set()
    rows = JobEvent.objects.filter(job__in=jobs, before=JobState.FAILED.value, after=JobState.ACTIVATED.value)
    return set(rows.order_by().values_list("job_id", "at"))


def undone(moves: Collection[Move]) -> set[Moment]:
    """Answer when resets of these jobs were undone; asks nothing for jobs that no queued one of has ended."""
    jobs = {move.job for move in moves if move.before == JobState.ACTIVATED.value and move.ends_job}
    if not jobs:
        return set()
    rows = ResetJob.objects.filter(job__in=jobs, restored=True, reset__undone_at__isnull=False)
    return {(job, at) for job, at in rows.values_list("job", "reset__undone_at") if at is not None}


def facts_of(job_ids: Collection[int]) -> dict[int, Facts]:
    """Answer what is known of these jobs, as far as they stand in their table, in a fixed number of queries."""
    if not job_ids:
        return {}
    jobs = Job.objects.filter(pk__in=job_ids).select_related("bucket").order_by()
    groups = dict(JobParameters.objects.filter(pk__in=job_ids).values_list("pk", "panda"))
    inputs = JobFile.objects.filter(job__in=job_ids, role=Role.INPUT.value).order_by().values_list("job")
    # What is asked for may be as wrong as what is reported: no database adds up two of the largest numbers.
    bounded = Least(Coalesce("size", 0), Value(_MOST, BigIntegerField()))
    counted = inputs.annotate(n=Count("*"), bytes=Sum(bounded))
    reads = {job: (n, min(int(size), _MOST)) for job, n, size in counted}
    tries: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in Attempt.objects.filter(job__in=job_ids).order_by():
        tries[attempt.job_id].append(attempt)
    reports = dict(JobReport.objects.filter(attempt__job__in=job_ids).order_by().values_list("attempt_id", "report"))
    return {
        job.pk: _facts(job, groups.get(job.pk, "{}"), reads.get(job.pk, (0, 0)), tries[job.pk], reports) for job in jobs
    }


def facts_in(archived: Archived) -> Facts:
    """Answer what is known of an archived job."""
    parameters = archived.rows("parameters", JobParameters)
    inputs = [file for file in archived.rows("files", JobFile) if file.role == Role.INPUT.value]
    reads = (len(inputs), _at_least_0(sum(_at_least_0(file.size) for file in inputs)))
    panda = parameters[0].panda if parameters else "{}"
    return _facts(archived.job, panda, reads, archived.rows("attempts", Attempt), archived.reports)


def _facts(
    job: Job, panda: str, reads: tuple[int, int], attempts: Iterable[Attempt], reports: Mapping[int, str]
) -> Facts:
    # MariaDB may take texts for the same that differ in blanks at their ends alone.
    return Facts(
        user=job.user.rstrip(" "),
        group=_group_in(panda).rstrip(" "),
        share=job.bucket.share.rstrip(" "),
        queue=job.queue,
        task_id=job.task_id or 0,
        label=job.label.rstrip(" "),
        cores=job.bucket.cores,
        inputs=reads[0],
        input_bytes=reads[1],
        tries={attempt.number: _try(attempt, reports.get(attempt.pk, "")) for attempt in attempts},
    )


def _group_in(panda: str) -> str:
    group = orjson.loads(panda).get("workingGroup")
    return group[:60] if isinstance(group, str) and group != NULL else ""


def _try(attempt: Attempt, report: str) -> Try:
    began, ended = attempt.started_at, attempt.ended_at
    # A clock that was put back must not give core-hours back.
    wall = max(0.0, (ended - began).total_seconds()) if began and ended else 0.0
    told = _told(report)
    files = (told.files if told else None) or ()
    return Try(
        queue=attempt.queue,
        state=attempt.state,
        wall=wall,
        began=began is not None,
        cause=_cause_of(attempt),
        cpu=_at_least_0(told.cpu_time if told else None),
        outputs=len(files),
        output_bytes=_at_least_0(sum(_at_least_0(file.size) for file in files)),
    )


def _told(report: str) -> JobUpdate | None:
    if not report:
        return None
    try:
        said: dict[str, Any] = orjson.loads(report)
        return decode(JobUpdate, said, Dialect.V1)
    except (ContractError, orjson.JSONDecodeError):  # written by a release with other bounds: it must not stop the rest
        return None


def _at_least_0(value: int | None) -> int:
    return min(max(0, value or 0), _MOST)


def _cause_of(attempt: Attempt) -> tuple[str, int]:
    for source, column in _CAUSES:
        if code := getattr(attempt, column):
            # A pilot that wishes for another try says so by the sign.
            return source.value, min(abs(code), _LARGEST_CODE) if source is Source.PILOT else code
    return "none", 0
