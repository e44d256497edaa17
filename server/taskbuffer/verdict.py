"""What becomes of a job after a report, a lost pilot or a kill. Decides only; `hot` carries it out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pilot.contract.messages import Command, JobUpdate, StoredFile
from pilot.contract.naming import log_of_attempt
from pilot.contract.server_codes import DataServiceCode
from pilot.contract.states import FINAL, WITH_PILOT, JobState, may_follow
from server.taskbuffer.retry_rules import Decision, Failure, Rules, decide
from server.taskbuffer.values import Errors, Standing

#: What a pilot calls kB, in bytes.
KB = 1024

NO_RULES = Rules()
ENDS = Decision(again=False)


@dataclass(frozen=True)
class Verdict:
    """The states that a job goes through now, one move each (none: a heartbeat), and what its pilot is told.

    ``stale`` means that the report is not about what stands here: nothing changes. ``decision`` says of a failure
    why, and how, it is tried again or not.
    """

    moves: tuple[JobState, ...] = ()
    command: str = Command.NONE.value
    errors: Errors = Errors()
    stale: bool = False
    decision: Decision = ENDS

    @property
    def end_of_attempt(self) -> JobState | None:
        """The final state of the attempt, if it ends; a retry may follow it."""
        return self.moves[0] if self.moves and self.moves[0] in FINAL else None


STALE = Verdict(command=Command.KILL.value, stale=True)


@dataclass(frozen=True)
class Ordered:
    """An output or log as it was ordered."""

    file_id: int
    lfn: str
    is_log: bool
    may_be_missing: bool


def attempt_of(update: JobUpdate) -> int:
    """A report that names no attempt is about the first one: a later pilot cannot be told from it."""
    return 1 if update.attempt is None else update.attempt


def judge(job: Standing, update: JobUpdate, missing: Sequence[str] = (), rules: Rules = NO_RULES) -> Verdict:
    """Say what a report makes of a job.

    Args:
        job: The job as it stands.
        update: The report.
        missing: Ordered outputs that a report of success does not name.
        rules: What decides whether a failure is tried again.
    """
    if attempt_of(update) != job.attempt or job.state not in WITH_PILOT:
        return STALE
    if update.state is JobState.FAILED or missing:
        return _judge_failure(job, update, missing, rules)
    if update.state is JobState.FINISHED:
        return Verdict((JobState.FINISHED,))
    command = job.command or Command.NONE.value
    if update.state is job.state or not may_follow(job.state, update.state):
        return Verdict(command=command)
    return Verdict((update.state,), command=command)


def to_be_ended(job: Standing) -> bool:
    """Say whether somebody wants a job ended, at once or in its own way."""
    ends = {Command.KILL.value, Command.SOFT_KILL.value}
    return not ends.isdisjoint(part.strip() for part in job.command.split(","))


def _judge_failure(job: Standing, update: JobUpdate, missing: Sequence[str], rules: Rules) -> Verdict:
    if to_be_ended(job):
        return Verdict((JobState.CANCELLED,))
    errors = Errors()
    if missing:
        words = f"the pilot reported success but did not store {', '.join(missing)}"
        errors = Errors(data=DataServiceCode.FILE_REPORT, words=words)
    decision = decide(_failure_of(job, update, errors, rules), rules.rules)
    moves = (JobState.FAILED, JobState.ACTIVATED) if decision.again else (JobState.FAILED,)
    return Verdict(moves, errors=errors, decision=decision)


def _failure_of(job: Standing, update: JobUpdate, errors: Errors, rules: Rules) -> Failure:
    return Failure(
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        pilot_error=update.pilot_error,
        pilot_words=update.pilot_error_words,
        payload_error=update.payload_error,
        payload_words=update.payload_error_words,
        exit_status=update.exit_status or 0,
        data_error=errors.data,
        server_words=errors.words,
        label=rules.label,
        memory=rules.memory,
        queue_memory=rules.queue_memory,
        most_memory=rules.most_memory,
        max_rss=(update.max_rss or 0) * KB,
    )


def judge_lost(job: Standing, errors: Errors, rules: Rules = NO_RULES) -> Verdict:
    """Say what becomes of a job whose pilot was lost."""
    if to_be_ended(job):
        return Verdict((JobState.CANCELLED,))
    failure = Failure(
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        dispatcher_error=errors.dispatcher,
        server_words=errors.words,
        label=rules.label,
        memory=rules.memory,
        queue_memory=rules.queue_memory,
        most_memory=rules.most_memory,
    )
    decision = decide(failure, rules.rules)
    moves = (JobState.ACTIVATED,) if decision.again else (JobState.FAILED,)
    return Verdict(moves, errors=errors, decision=decision)


def missing_outputs(ordered: Sequence[Ordered], stored: Sequence[StoredFile]) -> tuple[str, ...]:
    """Answer the outputs that had to be stored and were not; a missing log fails nothing."""
    there = {file.lfn for file in stored}
    return tuple(file.lfn for file in ordered if not file.is_log and not file.may_be_missing and file.lfn not in there)


def name_of(ordered: Ordered, attempt: int) -> str:
    """Name a file as this attempt stores it."""
    return log_of_attempt(ordered.lfn, attempt) if ordered.is_log else ordered.lfn


def digest_of(update: JobUpdate) -> str:
    """Condense what a final report says of the outcome.

    Times, durations and tails are left out: a pilot that repeats itself may have looked at its clock again.
    """
    said: list[object] = [update.job_id, attempt_of(update), update.state.value]
    said += [update.pilot_error, update.payload_error, update.exit_status]
    said += [(file.lfn, file.size, file.checksum) for file in sorted(update.files or (), key=lambda file: file.lfn)]
    return hashlib.sha256(repr(said).encode()).hexdigest()
