"""Whether a failed job is tried again, and how: rules that a person has written, and what is done without one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pilot.contract.codes import ErrorCode
from pilot.contract.job import PANDA_MB


class Source(str, Enum):
    """Which of a failure's numbers and words a rule looks at."""

    PILOT = "pilot"  # pilotErrorCode
    PAYLOAD = "payload"  # exeErrorCode: the experiment's own
    EXIT = "exit"  # transExitCode: the payload's exit status
    DISPATCHER = "dispatcher"  # jobDispatcherErrorCode: the watchdog's findings
    DATA = "data"  # ddmErrorCode: the server's findings about files


class Action(str, Enum):
    """What a rule does with a failure."""

    RETRY = "retry"
    ELSEWHERE = "elsewhere"  # another attempt, in another queue
    MEMORY = "memory"  # another attempt, with more memory
    NONE = "none"  # no further attempt


@dataclass(frozen=True)
class Rule:
    """One rule. ``words`` stand somewhere in what was said of the failure, whatever their case; ``*`` is any text.

    ``most_attempts`` (0: as the job has it) lowers the attempts of a job, and never raises them. ``memory_limit`` is
    bytes; ``queues`` are those that a job may go to, any that it fits where there are none.
    """

    number: int
    source: Source
    action: Action
    code: int | None = None
    words: str = ""
    label: str = ""
    most_attempts: int = 0
    factor: float = 1.0
    memory_limit: int = 0
    queues: tuple[str, ...] = ()
    comment: str = ""

    def __str__(self) -> str:
        return f"rule {self.number}" + (f" ({self.comment})" if self.comment else "")


@dataclass(frozen=True)
class Failure:
    """What is known of a failed attempt. ``memory`` was ordered, ``max_rss`` was seen: bytes, 0 where nobody said.

    ``queue_memory`` is the most that its queue has, ``most_memory`` the most that any queue has: 0 where there is no
    limit.
    """

    attempt: int
    max_attempts: int
    pilot_error: int = 0
    pilot_words: str = ""
    payload_error: int = 0
    payload_words: str = ""
    exit_status: int = 0
    dispatcher_error: int = 0
    data_error: int = 0
    server_words: str = ""
    label: str = ""
    memory: int = 0
    max_rss: int = 0
    queue_memory: int = 0
    most_memory: int = 0

    def said_by(self, source: Source) -> tuple[int, str]:
        """Answer the number and the words of one source; 0 when it has found nothing."""
        return {
            Source.PILOT: (self.pilot_error, self.pilot_words),
            Source.PAYLOAD: (self.payload_error, self.payload_words),
            Source.EXIT: (self.exit_status, self.payload_words),
            Source.DISPATCHER: (self.dispatcher_error, self.server_words),
            Source.DATA: (self.data_error, self.server_words),
        }[source]


@dataclass(frozen=True)
class Decision:
    """What becomes of a failed job; ``rule`` and ``words`` only where a rule has decided.

    ``memory`` is bytes, 0 where it stays as it is.
    """

    again: bool
    rule: int | None = None
    words: str = ""
    elsewhere: bool = False
    queues: tuple[str, ...] = ()
    memory: int = 0


@dataclass(frozen=True)
class Rules:
    """The rules in force, in their order, with what they may ask about one job beside its failure."""

    rules: tuple[Rule, ...] = ()
    label: str = ""
    memory: int = 0
    queue_memory: int = 0
    most_memory: int = 0


def decide(failure: Failure, rules: Iterable[Rule] = ()) -> Decision:
    """Say what becomes of a failed job: the first rule that fits decides."""
    for rule in rules:
        if fits(rule, failure):
            return _by(rule, failure)
    return Decision(failure.attempt < failure.max_attempts and may_pass(failure))


def fits(rule: Rule, failure: Failure) -> bool:
    """Say whether a rule is about a failure."""
    code, words = failure.said_by(rule.source)
    if not code or (rule.label and rule.label != failure.label):
        return False
    return (rule.code is None or rule.code == code) and stands_in(rule.words, words)


def stands_in(pattern: str, words: str) -> bool:
    """Say whether the parts of a pattern between its stars stand in some words, one after the other."""
    at, lower = 0, words.lower()
    for part in pattern.lower().split("*"):
        found = lower.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def may_pass(failure: Failure) -> bool:
    """Say whether another attempt may end well where no rule knows better.

    A pilot that was lost may have been killed with its node. A pilot's code says so itself, or the pilot asks for it:
    PanDA's pilots do that with a negative code.
    """
    if failure.dispatcher_error:
        return True
    if failure.data_error:
        return False
    if failure.pilot_error < 0:
        return True
    try:
        return ErrorCode(failure.pilot_error).passes
    except ValueError:
        return False


def _by(rule: Rule, failure: Failure) -> Decision:
    if rule.action is Action.NONE:
        return Decision(again=False, rule=rule.number, words=f"{rule}: no further attempt")
    attempts = min(rule.most_attempts or failure.max_attempts, failure.max_attempts)
    if failure.attempt >= attempts:
        return Decision(again=False, rule=rule.number, words=f"{rule}: {attempts} attempts at most")
    if rule.action is Action.ELSEWHERE:
        words = f"{rule}: in another queue"
        return Decision(again=True, rule=rule.number, words=words, elsewhere=True, queues=rule.queues)
    if rule.action is Action.MEMORY:
        return _with_more_memory(rule, failure)
    return Decision(again=True, rule=rule.number, words=str(rule))


def _with_more_memory(rule: Rule, failure: Failure) -> Decision:
    had = max(failure.memory, failure.max_rss)
    if not had:
        return Decision(again=True, rule=rule.number, words=f"{rule}: nobody knows how much memory it had")
    # Whole MB, as jobs are ordered with.
    wanted = min(-(-int(had * rule.factor) // PANDA_MB) * PANDA_MB, rule.memory_limit)
    if wanted <= failure.memory:
        limit = rule.memory_limit // PANDA_MB
        return Decision(again=False, rule=rule.number, words=f"{rule}: it had the most memory, {limit} MB")
    there = failure.queue_memory
    if there and wanted > there:
        return _beyond_its_queue(rule, failure, wanted)
    words = f"{rule}: with {wanted // PANDA_MB} MB of memory"
    return Decision(again=True, rule=rule.number, words=words, memory=wanted)


def _beyond_its_queue(rule: Rule, failure: Failure, wanted: int) -> Decision:
    """Send a job to another queue for its memory; where none has more, give it what its queue has, or end it."""
    there = failure.queue_memory
    if not failure.most_memory or failure.most_memory > max(there, failure.memory):
        wanted = min(wanted, failure.most_memory or wanted)
        words = f"{rule}: with {wanted // PANDA_MB} MB of memory, and its queue has {there // PANDA_MB} MB (maxrss)"
        return Decision(again=True, rule=rule.number, words=words, elsewhere=True, memory=wanted)
    if there > failure.memory:
        words = f"{rule}: with {there // PANDA_MB} MB of memory, the most that any queue has"
        return Decision(again=True, rule=rule.number, words=words, memory=there)
    words = (
        f"{rule}: {wanted // PANDA_MB} MB of memory are wanted, and no queue has more than"
        f" {failure.most_memory // PANDA_MB} MB (maxrss); raise that of a queue in the admin and try the job again"
    )
    return Decision(again=False, rule=rule.number, words=words)
