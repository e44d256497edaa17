"""What stands in the task buffer, for the dispatcher, the productions and the pages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from pilot.contract.states import FINAL, JobState
from server.pandaconfig.queries import limits_of_queues
from server.taskbuffer import archive, obstacles
from server.taskbuffer.blocked import Blocked
from server.taskbuffer.models import (
    ArchivedJob,
    Attempt,
    Bucket,
    Job,
    JobEvent,
    JobFile,
    JobParameters,
    JobReport,
    Live,
    Ready,
    RetryRule,
    Waiting,
)
from server.taskbuffer.past_failures import Preview, preview
from server.taskbuffer.states import MAY_BE_ACTIVATED, PER_PRIORITY, RETRY_PENALTY
from server.taskbuffer.values import owner_of

#: After these moves a job's files, or what it waits for, may be others than before.
_TURNS = frozenset({state.value for state in (*FINAL, JobState.ACTIVATED)})
#: Priorities that one statement counts.
_AT_ONCE = 50
_ENDS = frozenset({state.value for state in FINAL})


@dataclass(frozen=True)
class Kinds:
    """The kinds of jobs that were ever submitted for a queue, and the newest of any queue when this was read."""

    buckets: tuple[Bucket, ...]
    newest: int


def kinds_of(queue: str) -> Kinds:
    """Answer what kinds of jobs there are for a queue."""
    newest = newest_bucket()
    return Kinds(tuple(Bucket.objects.filter(queue=queue)), newest)


def newest_bucket() -> int:
    """Answer the number of the newest bucket; one that was not seen before has a higher one."""
    return int(Bucket.objects.aggregate(newest=Max("pk"))["newest"] or 0)


def ready_by_bucket() -> dict[int, int]:
    """Count the queued jobs of each bucket."""
    return dict(Ready.objects.values_list("bucket").annotate(n=Count("*")))


def ready_by_queue() -> dict[str, int]:
    """Count the queued jobs of each queue."""
    return dict(Ready.objects.values_list("bucket__queue").annotate(n=Count("*")))


def ready_from(priorities: Collection[int]) -> tuple[dict[str, int], dict[int, dict[str, int]]]:
    """Count the queued jobs of each queue, and those of them that have at least each of these priorities.

    One that was retried stands a little lower, and is counted with its like.
    """
    ordered, every = sorted(priorities), dict[str, int]()
    found: dict[int, dict[str, int]] = {one: {} for one in ordered}
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        least = ((one - RETRY_PENALTY - 1) * -PER_PRIORITY for one in some)
        counts = {f"from_{at}": Count("pk", filter=Q(rank__lt=bound)) for at, bound in enumerate(least)}
        rows = Ready.objects.values_list("bucket__queue").annotate(n=Count("pk"), **counts)
        for queue, n, *least_of in rows:
            every[queue] = n
            for one, count in zip(some, least_of, strict=True):
                found[one][queue] = count
    return every, found


def ready_cores_by_queue() -> dict[str, dict[int, int]]:
    """Count the queued jobs of each queue by the cores that they want: queue -> cores -> jobs."""
    counts, found = ready_by_bucket(), dict[str, dict[int, int]]()
    for pk, queue, cores in Bucket.objects.values_list("pk", "queue", "cores"):
        if counts.get(pk):
            of_queue = found.setdefault(queue, {})
            of_queue[cores or 1] = of_queue.get(cores or 1, 0) + counts[pk]
    return found


def live_by_queue() -> dict[tuple[str, str], int]:
    """Count the jobs that pilots have, by queue and state."""
    rows = Live.objects.values_list("queue", "state").annotate(n=Count("*"))
    return {(queue, state): n for queue, state, n in rows}


def active_by_bucket() -> dict[tuple[Bucket, str], int]:
    """Count the jobs that are queued, or that pilots have, by bucket and state."""
    counts = {(pk, JobState.ACTIVATED.value): n for pk, n in ready_by_bucket().items()}
    for pk, state, n in Live.objects.values_list("job__bucket", "state").annotate(n=Count("*")):
        counts[pk, state] = n
    there = Bucket.objects.in_bulk({pk for pk, _ in counts})
    return {(there[pk], state): n for (pk, state), n in counts.items()}


def job_of_pilots(queues: Collection[str], user: str, working_group: str) -> int | None:
    """Answer a job that pilots of these queues (none: any) have now, of this user and working group; "" for any."""
    found = Live.objects.filter(queue__in=queues) if queues else Live.objects.all()
    if user:
        found = found.filter(job__user=user)
    if working_group:
        # Quotes within other texts of that JSON have a backslash before them, so that none of these reads so.
        said = f'"workingGroup":{json.dumps(working_group)}'
        found = found.filter(job__parameters__panda__contains=said)
    return found.values_list("job_id", flat=True).first()


def job(job_id: int) -> Job | None:
    """Answer a job, also from the archive."""
    return next(iter(known_jobs([job_id])), None)


def known_jobs(job_ids: Iterable[int]) -> list[Job]:
    """Answer those of these jobs that there are, also from the archive, by number."""
    return _with_archived(Job.objects.select_related("bucket"), job_ids)


def jobs(job_ids: Iterable[int]) -> list[Job]:
    """Answer those of these jobs that there are, with their attempts and moves, also from the archive, by number."""
    return _with_archived(Job.objects.select_related("bucket").prefetch_related("attempts", "moves"), job_ids)


def _with_archived(rows: QuerySet[Job], job_ids: Iterable[int]) -> list[Job]:
    possible = {number for number in job_ids if number < 2**63}  # a page may be asked for any number
    found = {row.pk: row for row in rows.filter(pk__in=possible)}
    archived = archive.read(possible - set(found))
    return [row for _, row in sorted({**found, **{pk: one.job for pk, one in archived.items()}}.items())]


def parameters_of(jobs: Sequence[Job]) -> dict[int, str]:
    """Answer the dictionaries that pilots are handed for these jobs, as they are written."""
    found = dict(JobParameters.objects.filter(pk__in=[job.pk for job in jobs]).values_list("pk", "panda"))
    for one in _archived_of(jobs):
        found.update((row.pk, row.panda) for row in one.rows("parameters", JobParameters))
    return found


def _archived_of(jobs: Iterable[Job]) -> list[archive.Archived]:
    return [job.archived for job in jobs if job.archived is not None]


def attempts_of_pilot(batch_id: str, queue: str, *, since: datetime, most: int) -> list[Attempt]:
    """Answer the tries of jobs by the pilot of that id in its batch system, latest first; not those in the archive."""
    if not batch_id:
        return []
    rows = Attempt.objects.filter(batch_id=batch_id, queue=queue, sent_at__gte=since)
    return list(rows.order_by("-sent_at", "-pk")[:most])


class Try(NamedTuple):
    """A try of a job by a pilot: from when it was sent until it was over, if it is."""

    batch_id: str
    queue: str
    state: str
    sent_at: datetime
    ended_at: datetime | None


def tries_of_pilots(batch_ids: Collection[str]) -> list[Try]:
    """Answer the tries of jobs by the pilots of these ids in their batch systems, in the order that they were sent."""
    rows = Attempt.objects.filter(batch_id__in=set(batch_ids) - {""}).order_by("sent_at")
    return [Try(*row) for row in rows.values_list(*Try._fields)]


def live_tail(job_id: int) -> str:
    """Answer the last lines that the pilot of a running job has shown; empty for any other job."""
    return str(Live.objects.filter(pk=job_id).values_list("tail", flat=True).first() or "")


def live_shown(job_id: int) -> str:
    """Answer what the pilot of a running job has shown since it was last asked to; empty for any other job."""
    return str(Live.objects.filter(pk=job_id).values_list("shown", flat=True).first() or "")


def states_of(job_ids: Iterable[int]) -> dict[int, tuple[str, str, int]]:
    """Answer (state, command, attempt) of each of these jobs that there is."""
    numbers = set(job_ids)
    rows = Job.objects.filter(pk__in=numbers).values_list("pk", "state", "command", "attempt")
    found = {pk: (state, command, attempt) for pk, state, command, attempt in rows}
    over = _searchable(numbers - set(found)).values_list("pk", "state", "attempt")
    return found | {pk: (state, "", attempt) for pk, state, attempt in over}


def _searchable(missing: Collection[int]) -> QuerySet[ArchivedJob]:
    """Select in the archive what was not found elsewhere; nothing is asked for nothing."""
    return ArchivedJob.objects.filter(pk__in=missing).order_by()


def owners_of(job_ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Answer (owner, queue) of each of these jobs that there is."""
    numbers = set(job_ids)
    found = {pk: (user, queue) for pk, user, queue in _owners(Job.objects.filter(pk__in=numbers).order_by())}
    over = _owners(_searchable(numbers - set(found)))
    return found | {pk: (user, queue) for pk, user, queue in over}


def _owners(rows: QuerySet[Any]) -> Iterable[tuple[int, str, str]]:
    return rows.values_list("pk", "user", "queue")


def latest_by_state(most: int = 10_000) -> dict[str, int]:
    """Count the latest jobs by state; there is no index on the state, and a page must not read millions of rows."""
    newest = int(Job.objects.aggregate(newest=Max("pk"))["newest"] or 0)
    latest = Job.objects.filter(pk__gt=newest - most).order_by()
    return dict(latest.values_list("state").annotate(n=Count("*")))


def jobs_of_task(task_id: int) -> list[int]:
    """Answer the numbers of a task's jobs, also of those in the archive."""
    tables = (Job.objects.filter(task_id=task_id), ArchivedJob.objects.filter(task_id=task_id))
    return sorted({number for rows in tables for number in rows.order_by().values_list("pk", flat=True)})


def counts_of_task(task_id: int) -> dict[str, int]:
    """Count a task's jobs by state, with those in the archive."""
    found = Counter[str]()
    for rows in (Job.objects.filter(task_id=task_id), ArchivedJob.objects.filter(task_id=task_id)):
        found.update(dict(rows.order_by().values_list("state").annotate(n=Count("*"))))
    return dict(found)


def files_of(job_ids: Sequence[int]) -> list[JobFile]:
    """Answer the files of these jobs, also from the archive, inputs first as they were ordered."""
    found = list(JobFile.objects.filter(job__in=job_ids).order_by("job", "pk"))
    archived = archive.read(set(job_ids) - {file.job_id for file in found})
    return found + [file for one in archived.values() for file in one.rows("files", JobFile)]


def transfers_of(jobs: Sequence[Job]) -> dict[int, list[dict[str, Any]]]:
    """Answer the tries to copy files of these jobs' attempts, as their pilots have told them, by the attempt's key."""
    written = JobReport.objects.filter(attempt__job__in=[job.pk for job in jobs], report__contains=f'"{_TRANSFERS}"')
    found = dict(written.values_list("attempt_id", "report"))
    for one in _archived_of(jobs):
        found.update((key, report) for key, report in one.reports.items() if f'"{_TRANSFERS}"' in report)
    return {key: _tries(report) for key, report in found.items()}


_TRANSFERS = "compass_transfers"


def _tries(report: str) -> list[dict[str, Any]]:
    try:
        said = json.loads(json.loads(report)[_TRANSFERS])
    except (ValueError, TypeError, RecursionError):  # a pilot may report anything
        return []
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []


@dataclass(frozen=True)
class Standing:
    """What the owners of a job's files have to know of it; ``events`` as its last report said.

    ``owner`` is whose files it writes: a user's, or "" for those of the productions.
    """

    state: JobState
    attempt: int
    events: int | None
    owner: str = ""

    @classmethod
    def of(cls, job: Job) -> Standing:
        return cls(JobState(job.state), job.attempt, job.events, owner_of(job.label, job.user))


def standings(job_ids: Iterable[int]) -> dict[int, Standing]:
    """Answer how each of these jobs stands that there is, also in the archive."""
    numbers = set(job_ids)
    rows = Job.objects.filter(pk__in=numbers).only("state", "attempt", "events", "label", "user")
    found = {job.pk: Standing.of(job) for job in rows}
    found.update({pk: Standing.of(one.job) for pk, one in archive.read(numbers - set(found)).items()})
    return found


def turns_after(event_id: int, *, limit: int, until: datetime | None = None) -> tuple[list[int], int]:
    """Answer the jobs that were born, queued, ended or brought back after an event, and the last event looked at.

    Args:
        event_id: The event.
        limit: Most events to be looked at.
        until: Events after this time are left for later.
    """
    moves = JobEvent.objects.filter(pk__gt=event_id)
    rows = list(moves.order_by("pk").values_list("pk", "job_id", "before", "after", "at")[:limit])
    seen = [row for row in rows if until is None or row[4] <= until]
    if len(seen) < len(rows):  # what comes after the first one that is too young is left, too
        first = next(at for at, row in enumerate(rows) if until is not None and row[4] > until)
        seen = rows[:first]
    turning = {job for _, job, before, after, _ in seen if not before or before in _ENDS or after in _TURNS}
    return sorted(turning), (seen[-1][0] if seen else event_id)


def newest_event() -> int:
    """Answer the number of the newest move of a job, 0 when there is none."""
    return int(JobEvent.objects.aggregate(newest=Max("pk"))["newest"] or 0)


def waiting() -> list[int]:
    """Answer the jobs that wait for their inputs or their place."""
    states = [state.value for state in MAY_BE_ACTIVATED]
    return list(Waiting.objects.filter(state__in=states).order_by("pk").values_list("pk", flat=True))


def waiting_for_inputs(queue: str) -> int:
    """Count the jobs of a queue that wait for their inputs or their place, and that no pilot is given therefore."""
    states = [state.value for state in MAY_BE_ACTIVATED]
    return Waiting.objects.filter(bucket__queue=queue, state__in=states).count()


def why_not_now(job: Job) -> str:
    """Say what keeps a job from running as its queue stands; nothing for one that runs, has ended, or may run."""
    if JobState(job.state) not in MAY_BE_ACTIVATED | {JobState.ACTIVATED}:
        return ""
    queue = limits_of_queues().get(job.queue)
    words = obstacles.why_not_now(job.bucket, queue)
    if not obstacles.obstacle(job.bucket, queue):
        return words
    since = Blocked.objects.filter(pk=job.bucket_id).values_list("since", flat=True).first()
    now = timezone.now()
    at = obstacles.fails_at(job.created_at, queue, since or now, settings.ENVIRONMENT.obstacle_grace)
    when = "within a minute" if at <= now else f"at {at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{words}; the job fails {when} unless that is mended"


def moves_after(event_id: int, *, limit: int = 1000) -> list[JobEvent]:
    """Answer the moves of all jobs after a given one, oldest first."""
    return list(JobEvent.objects.filter(pk__gt=event_id).order_by("pk")[:limit])


def retry_preview(*, days: float, disabled: bool = False, now: datetime | None = None) -> Preview:
    """Answer what the rules for retries would have done with the failures of the last days.

    Args:
        days: How far back.
        disabled: Whether rules that are switched off are taken as if they were on.
        now: The time.
    """
    at = now or timezone.now()
    rules = RetryRule.objects.filter(Q(expires_at=None) | Q(expires_at__gt=at))
    chosen = rules if disabled else rules.filter(enabled=True)
    return preview([rule.as_rule() for rule in chosen], since=at - timedelta(days=days))
