"""Which rule a failure fits, and what becomes of it then. Pure: no tables, no times of day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pilot.contract.payload_codes import MEANINGS, PayloadCode
from server.production.rules.actions import AGAIN, About, Action
from server.taskbuffer.retry_rules import stands_in

#: The longest wait for another attempt, in seconds.
LONGEST = 86_400.0
#: With each attempt the wait is so many times as long, unless a rule has a factor of its own.
DOUBLED = 2.0


@dataclass(frozen=True)
class Rule:
    """One rule. What it leaves empty, or 0, fits every failure.

    ``words`` stand somewhere in what was said of the failure, whatever their case; ``*`` is any text. ``queues`` are
    those of its site. ``delay`` is seconds before another attempt (``None``: the task's own), ``factor`` what that is
    multiplied by with each further attempt, ``most_attempts`` fewer attempts than the task has.
    """

    name: str
    action: Action
    about: About = About.BOTH
    kind: str = ""
    payload_error: int | None = None
    pilot_error: int | None = None
    words: str = ""
    task_type: str = ""
    queues: frozenset[str] = frozenset()
    delay: int | None = None
    factor: float = DOUBLED
    most_attempts: int = 0
    advice: str = ""

    def __str__(self) -> str:
        return f"rule '{self.name}'"


@dataclass(frozen=True)
class Failure:
    """A job that ended badly, and whose it was.

    ``merge`` is the kind of the merge, empty for a chunk. ``task_types`` are the words for the type of the task.
    ``attempts`` are used, of ``most``; ``delay`` is the task's own, in seconds. ``raw``: it reads a raw file, which may
    lie on tape. ``bound``: its task names the queue of its jobs.
    """

    merge: str = ""
    payload_error: int = 0
    pilot_error: int = 0
    words: str = ""
    task_types: Sequence[str] = ()
    queue: str = ""
    attempts: int = 1
    most: int = 5
    delay: int = 60
    raw: bool = False
    bound: bool = False


@dataclass(frozen=True)
class Decision:
    """What becomes of it; ``rule`` is empty where none fits.

    ``delay`` is seconds until another attempt; ``None``: none comes by itself.
    """

    action: Action
    rule: str = ""
    words: str = ""
    delay: float | None = None


def decide(rules: Iterable[Rule], failure: Failure) -> Decision:
    """Say what becomes of a failure: the first rule that fits decides, and without one it is tried again."""
    rule = next((rule for rule in rules if fits(rule, failure)), None)
    if rule is None:
        wait = _wait(failure.delay, DOUBLED, failure.attempts)
        return Decision(Action.RETRY, words=_first(failure.words) or said_of(failure), delay=wait)
    return _by(rule, failure)


def fits(rule: Rule, failure: Failure) -> bool:
    """Say whether a rule is about a failure."""
    return (
        _is_about(rule, failure)
        and rule.payload_error in (None, failure.payload_error)
        and rule.pilot_error in (None, failure.pilot_error)
        and (not rule.task_type or rule.task_type in failure.task_types)
        and (not rule.queues or failure.queue in rule.queues)
        and stands_in(rule.words, failure.words)
    )


def _is_about(rule: Rule, failure: Failure) -> bool:
    if failure.merge:
        return rule.about is not About.CHUNKS and rule.kind in ("", failure.merge)
    # Where nothing is read that may lie on tape, nothing can be brought from there.
    return rule.about is not About.MERGES and (rule.action is not Action.STAGING or failure.raw)


def said_of(failure: Failure) -> str:
    """Tell what happened: the experiment's words where it has some for the payload's code, else the job's own."""
    code = _code(failure.payload_error)
    return f"{failure.payload_error} {MEANINGS[code].words}" if code else _first(failure.words)


def _first(words: str) -> str:
    return words.split("\n", 1)[0]


def _code(number: int) -> PayloadCode | None:
    return PayloadCode(number) if number in PayloadCode._value2member_map_ else None


def _by(rule: Rule, failure: Failure) -> Decision:
    said = ": ".join(filter(None, (str(rule), said_of(failure))))
    if rule.action is Action.MANUAL_CHECK:
        return Decision(rule.action, rule.name, ": ".join(filter(None, (said, _advice(rule, failure)))))
    if rule.action is Action.GIVE_UP:
        return Decision(rule.action, rule.name, _with(said, "no further attempt", rule.advice))
    # What the task allows may be changed by a person, and is looked at when the time has come.
    if rule.most_attempts and failure.attempts >= rule.most_attempts:
        return Decision(Action.GIVE_UP, rule.name, _with(said, f"{rule.most_attempts} attempts at most", rule.advice))
    if rule.action is Action.STAGING:
        if failure.attempts >= failure.most:
            return Decision(Action.GIVE_UP, rule.name, _with(said, "it has used its attempts", rule.advice))
        return Decision(rule.action, rule.name, _with(said, "its input is to be brought from tape again", rule.advice))
    delay = failure.delay if rule.delay is None else rule.delay
    wait = _wait(delay, 1.0 if rule.action is Action.LATER else rule.factor, failure.attempts)
    if rule.action is Action.ELSEWHERE:
        where = "where it was, which its task names" if failure.bound else "in another queue"
        return Decision(rule.action, rule.name, _with(said, f"again {where}", rule.advice), wait)
    return Decision(rule.action, rule.name, _with(said, rule.advice), wait)


def _with(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _advice(rule: Rule, failure: Failure) -> str:
    code = _code(failure.payload_error)
    return rule.advice or (MEANINGS[code].advice if code else "")


def _wait(delay: float, factor: float, attempts: int) -> float:
    """Answer the seconds before another attempt, after so many: longer with each, up to a day."""
    return min(LONGEST, delay * factor ** min(max(attempts - 1, 0), 20))


def comes_again(decision: Decision) -> bool:
    """Say whether another attempt comes by itself."""
    return decision.action in AGAIN
