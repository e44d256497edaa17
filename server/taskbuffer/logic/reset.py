"""Many jobs that ended badly go back into the queue together, with a record, and a way back while none has run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from pilot.contract.codec import ContractError
from pilot.contract.job import Role
from pilot.contract.states import JobState
from server.lib.transactions import whole
from server.taskbuffer import followers, waits
from server.taskbuffer.hot import rows
from server.taskbuffer.models import ArchivedJob, Job, JobFile, Ready, Waiting
from server.taskbuffer.resets import Reset, ResetJob
from server.taskbuffer.states import MAY_BE_ACTIVATED, RETRY_PENALTY, FileState, rank

#: Jobs of one call; pilots wait for it where the database has one writer.
MOST = 5500
#: Jobs of one statement.
BATCH = 500
#: Characters of a reason.
LONGEST = 400

#: What may be brought back.
RESETTABLE = (JobState.FAILED.value, JobState.CANCELLED.value, JobState.CLOSED.value)

#: What a reset writes over, beside state and attempt.
_KEPT = ("max_attempts", "priority", "activated_at", *rows.CLEARED)


@dataclass(frozen=True)
class Outlook:
    """What a reset would do: the jobs that it brings back, counted by state, and of each other one, why it does not."""

    jobs: tuple[int, ...] = ()
    by_state: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """A reset that was done; ``refused`` as in its outlook."""

    reset: int
    jobs: tuple[int, ...]
    refused: Mapping[int, str]


@dataclass(frozen=True)
class Undone:
    """What became of the jobs of a reset: brought back to what they were, or left since they have moved on."""

    restored: tuple[int, ...]
    kept: tuple[int, ...]


def numbers_of_task(task_id: int) -> list[int]:
    """Answer the jobs of a task that may be reset; one more than that at most, which is refused."""
    jobs = Job.objects.filter(task_id=task_id, state__in=RESETTABLE).order_by("pk")
    return list(jobs.values_list("pk", flat=True)[: MOST + 1])


def preview(job_ids: Collection[int]) -> Outlook:
    """Say what a reset of these jobs would do; nothing is changed.

    Raises:
        ContractError: there are too many, or none.
    """
    states, replaced = dict[int, str](), dict[int, str]()
    for batch in _batches(_checked(job_ids)):
        jobs = list(Job.objects.filter(pk__in=batch).only("pk", "state", "task_id"))
        states.update((job.pk, job.state) for job in jobs)
        replaced |= _replaced(jobs)
    good = [pk for pk in sorted(states) if states[pk] in RESETTABLE and pk not in replaced]
    counted = {state: n for state in RESETTABLE if (n := sum(states[pk] == state for pk in good))}
    return Outlook(tuple(good), counted, _refusals(job_ids, states, replaced))


@whole
def reset(job_ids: Collection[int], *, by: str, why: str, now: datetime | None = None) -> Done:
    """Bring back jobs that ended badly, each for one further attempt, all in one transaction.

    Those that ended while they waited for their inputs wait for them again.

    Args:
        job_ids: PandaIDs.
        by: Who asks.
        why: Words for the record and for the jobs' history.
        now: The time.

    Raises:
        ContractError: there are too many or none, no reason is given, or none of them can be reset.
    """
    if not why.strip() or len(why) > LONGEST:
        raise ContractError(f"why: give a reason of 1 to {LONGEST} characters", field_name="why")
    at, numbers, done = now or timezone.now(), _checked(job_ids), list[int]()
    states, replaced = dict[int, str](), dict[int, str]()
    record = Reset.objects.create(at=at, by=rows.cut(by, 80), why=why, jobs=0)
    for batch in _batches(numbers):
        jobs = list(Job.objects.select_for_update().filter(pk__in=batch).order_by("pk"))
        states.update((job.pk, job.state) for job in jobs)
        replaced |= _replaced(jobs)
        back = [job for job in jobs if job.state in RESETTABLE and job.pk not in replaced]
        _bring_back(record, back, at, by)
        done += [job.pk for job in back]
    refused = _refusals(numbers, states, replaced)
    if not done:
        number, words = next(iter(refused.items()))
        raise ContractError(f"job_ids: nothing can be reset; job {number}: {words}", field_name="job_ids")
    Reset.objects.filter(pk=record.pk).update(jobs=len(done))
    return Done(record.pk, tuple(done), refused)


@whole
def undo(number: int, *, by: str, now: datetime | None = None) -> Undone:
    """Bring the jobs of a reset back to what they were, as far as no pilot has had them since.

    Raises:
        ContractError: there is no such reset, or it is undone already.
    """
    at = now or timezone.now()
    record = Reset.objects.select_for_update().filter(pk=number).first()
    if record is None or record.undone_at is not None:
        words = "there is no such reset" if record is None else f"it was undone by {record.undone_by}"
        raise ContractError(f"reset: {number}: {words}", field_name="reset")
    restored, kept = list[int](), list[int]()
    for batch in _batches(list(record.entries.order_by("job").values_list("job", flat=True))):
        back = _put_back(record, batch, at, by)
        restored += back
        kept += sorted(set(batch) - set(back))
    record.undone_at, record.undone_by, record.kept = at, rows.cut(by, 80), len(kept)
    record.save()
    return Undone(tuple(restored), tuple(kept))


def _bring_back(record: Reset, jobs: Sequence[Job], at: datetime, by: str) -> None:
    """Queue some jobs for one further attempt, or let them wait for their inputs, and write down what they were."""
    ResetJob.objects.bulk_create(
        ResetJob(reset=record, job=job.pk, state=job.state, attempt=job.attempt, before=_before(job)) for job in jobs
    )
    same = Job.objects.filter(pk__in=[job.pk for job in jobs])
    # Apart from the next: MariaDB reads what the same statement has just written.
    same.update(max_attempts=Greatest(F("max_attempts"), F("attempt") + 1))
    cleared: dict[str, Any] = dict(rows.CLEARED)
    same.update(
        **cleared,
        state=JobState.ACTIVATED.value,
        attempt=F("attempt") + 1,
        priority=F("priority") - RETRY_PENALTY,
        activated_at=at,
    )
    waiting = waits.unready([job.pk for job in jobs])
    same.filter(pk__in=waiting).update(state=JobState.DEFINED.value, activated_at=None)
    waits.enter([(job.pk, job.bucket_id) for job in jobs if job.pk in waiting], JobState.DEFINED, at)
    after = {job.pk: (JobState.DEFINED if job.pk in waiting else JobState.ACTIVATED).value for job in jobs}
    stamp, words = rows.stamp(at), rows.cut(str(record), 500)
    with connection.cursor() as cursor:
        queued = [job for job in jobs if job.pk not in waiting]
        rows.add_all_ready(
            cursor, [(job.pk, job.bucket_id, rank(job.priority - RETRY_PENALTY, job.pk)) for job in queued]
        )
        rows.add_events(cursor, [(job.pk, job.attempt, job.state, after[job.pk], stamp, by, words) for job in jobs])
    _order_files_again({job.pk: job.attempt for job in jobs})


def _before(job: Job) -> dict[str, Any]:
    """Write down what a reset writes over."""
    said = {name: getattr(job, name) for name in _KEPT}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in said.items()}


def _order_files_again(attempts: Mapping[int, int]) -> None:
    """Order outputs anew; the log of the try that ended stays, and the next one writes its own."""
    made = JobFile.objects.filter(job__in=attempts).exclude(role=Role.INPUT.value)
    made.filter(state=FileState.FAILED.value).update(state=FileState.UNKNOWN.value)
    logs = [file for file in made.filter(role=Role.LOG.value) if file.attempt == attempts[file.job_id]]
    names = ("job_id", "lfn", "role", "scope", "dataset", "endpoint", "may_be_missing")
    JobFile.objects.bulk_create(
        JobFile(state=FileState.UNKNOWN.value, **{name: getattr(log, name) for name in names}) for log in logs
    )


def _put_back(record: Reset, numbers: Sequence[int], at: datetime, by: str) -> list[int]:
    """Take those of these jobs out of the queue that are still in it, or wait, for the attempt of the reset."""
    # In the order in which a claim takes them, so that neither waits for the other.
    queued = list(Ready.objects.select_for_update().filter(pk__in=numbers).order_by("pk").values_list("pk", flat=True))
    may_wait = [state.value for state in MAY_BE_ACTIVATED]
    here = Q(pk__in=queued, state=JobState.ACTIVATED.value) | Q(pk__in=numbers, state__in=may_wait)
    jobs = {job.pk: job for job in Job.objects.select_for_update().filter(here).order_by("pk")}
    entries = [
        entry
        for entry in record.entries.filter(job__in=list(jobs)).order_by("job")
        if jobs[entry.job].attempt == entry.attempt + 1
    ]
    back = [entry.job for entry in entries]
    Ready.objects.filter(pk__in=back).delete()
    Waiting.objects.filter(pk__in=back).delete()
    fields = {field.attname: field for field in Job._meta.concrete_fields}
    for entry in entries:
        columns = {name: fields[name].to_python(value) for name, value in entry.before.items()}
        Job.objects.filter(pk=entry.job).update(state=entry.state, attempt=entry.attempt, **columns)
    record.entries.filter(job__in=back).update(restored=True)
    stamp, words, before = rows.stamp(at), f"reset {record.pk} undone", {pk: job.state for pk, job in jobs.items()}
    with connection.cursor() as cursor:
        moves = [(entry.job, entry.attempt + 1, before[entry.job], entry.state, stamp, by, words) for entry in entries]
        rows.add_events(cursor, moves)
    _unorder_files({entry.job: entry.attempt for entry in entries})
    return back


def _unorder_files(attempts: Mapping[int, int]) -> None:
    """Say again of outputs that they will not come; a log that was ordered beside that of the last try goes."""
    unwritten = JobFile.objects.filter(job__in=attempts, state=FileState.UNKNOWN.value).exclude(role=Role.INPUT.value)
    stored = JobFile.objects.filter(job__in=attempts, role=Role.LOG.value).values_list("job_id", "attempt")
    has_log = {job for job, attempt in stored if attempt == attempts[job]}
    logs = unwritten.filter(role=Role.LOG.value, job__in=has_log)
    JobFile.objects.filter(pk__in=list(logs.values_list("pk", flat=True))).delete()
    unwritten.update(state=FileState.FAILED.value)


def _replaced(jobs: Sequence[Job]) -> dict[int, str]:
    return followers.replaced_by_owners({job.pk: job.task_id for job in jobs if job.state in RESETTABLE})


def _refusals(numbers: Collection[int], states: Mapping[int, str], replaced: Mapping[int, str]) -> dict[int, str]:
    absent = set(numbers) - set(states)
    archived = set(ArchivedJob.objects.filter(pk__in=absent).values_list("pk", flat=True))
    said = {number: "it is in the archive" if number in archived else "there is no such job" for number in absent}
    for number, state in states.items():
        if state not in RESETTABLE:
            said[number] = f"it is {state}; only jobs that are {', '.join(RESETTABLE)} are reset"
    return dict(sorted({**said, **replaced}.items()))


def _checked(job_ids: Collection[int]) -> list[int]:
    if not 1 <= len(set(job_ids)) <= MOST:
        text = f"job_ids: {len(set(job_ids))} jobs that could be reset; give 1 to {MOST}"
        raise ContractError(text, field_name="job_ids")
    return sorted(set(job_ids))


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), BATCH):
        yield numbers[start : start + BATCH]
