"""How many pilots a queue gets in one cycle: a chain of rules, each from a number to a number with its reason.

The rules know nothing but facts and limits, so that a decision can be shown, tested and repeated with other limits.
Idea of the chain: the Auto Pilot Factory of PanDA sites, whose schedule rules hand on a number and a message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pilot.contract.exit_codes import ExitCode
from pilot.contract.queue import ONLINE

#: Ends that say nothing bad about a node: all went well, no work was left, or somebody killed the job.
INNOCENT = frozenset({ExitCode.OK.value, ExitCode.NO_JOBS.value, ExitCode.JOB_KILLED.value})
#: Living pilots that a queue in test has at most.
TEST_PILOTS = 1


@dataclass(frozen=True)
class End:
    """How a pilot ended, and how many seconds it ran; none when it never did."""

    exit_code: int | None
    seconds: float | None


@dataclass(frozen=True)
class Facts:
    """What is known of a queue. ``None`` means that nobody knows; then the answer is the safe one.

    ``waiting`` pilots have no slot, ``running`` ones have; of these ``jobless`` started a moment ago and have not asked
    for work yet. ``ends`` are those of the last pilots, latest first; ``idle`` is seconds since the last submission.
    """

    status: str | None
    activated: int | None
    waiting: int | None
    running: int | None
    jobless: int = 0
    ends: Sequence[End] = ()
    idle: float | None = None


@dataclass(frozen=True)
class Limits:
    """What the admin allows a queue."""

    slots: int
    max_waiting: int
    max_per_cycle: int
    black_hole_pilots: int
    black_hole_seconds: float
    black_hole_pause: float


@dataclass(frozen=True)
class Step:
    """What one rule made of the number before it, and why."""

    rule: str
    number: int
    reason: str


Rule = Callable[[int, Facts, Limits], tuple[int, str]]


def decide(facts: Facts, limits: Limits, rules: Sequence[Rule] | None = None) -> tuple[Step, ...]:
    """Answer what each rule made of the number; the last one's is what to submit."""
    number, steps = 0, []
    for rule in CHAIN if rules is None else rules:
        number, reason = rule(number, facts, limits)
        steps.append(Step(rule.__name__, number, reason))
    return tuple(steps)


def ready(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """A pilot for each activated job that no pilot is on its way to."""
    if facts.activated is None or facts.waiting is None:
        return 0, "nobody knows how many jobs or pilots wait"
    on_the_way = facts.waiting + facts.jobless
    missing = max(0, facts.activated - on_the_way)
    return missing, f"{facts.activated} jobs activated, {on_the_way} pilots on their way"


def queue_status(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """No pilots for a queue that is offline or unknown; one at a time for a queue in test."""
    if facts.status is None:
        return 0, "schedconfig does not have the queue"
    if facts.status not in ONLINE:
        return 0, f"the queue is {facts.status}"
    if facts.status == "test":
        living = (facts.waiting or 0) + (facts.running or 0)
        return min(number, max(0, TEST_PILOTS - living)), f"the queue is in test: {TEST_PILOTS} pilot at a time"
    return number, f"the queue is {facts.status}"


def black_hole(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """One pilot at a time, with a pause, while the last ones all failed within seconds of their start."""
    count = limits.black_hole_pilots
    last = facts.ends[:count]
    if not count or len(last) < count or not all(_is_black(end, limits.black_hole_seconds) for end in last):
        return number, "the last pilots did not all fail at once"
    codes = ", ".join(sorted({str(end.exit_code) for end in last}))
    why = f"the last {count} pilots failed within {limits.black_hole_seconds:g} s (exit codes {codes})"
    if (facts.waiting or 0) + (facts.running or 0):
        return 0, f"{why}: one at a time, and one lives"
    if facts.idle is not None and facts.idle < limits.black_hole_pause:
        return 0, f"{why}: the next one in {limits.black_hole_pause - facts.idle:.0f} s"
    return min(number, 1), f"{why}: one at a time"


def _is_black(end: End, seconds: float) -> bool:
    return end.exit_code not in INNOCENT and (end.seconds is None or end.seconds < seconds)


def max_waiting(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """Not more pilots without a slot than allowed."""
    return _cap(number, limits.max_waiting - (facts.waiting or 0), f"at most {limits.max_waiting} wait")


def max_running(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """Not more pilots than the queue has slots."""
    if facts.running is None:
        return 0, "nobody knows how many pilots run"
    return _cap(number, limits.slots - facts.running - (facts.waiting or 0), f"{limits.slots} slots")


def max_per_cycle(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """Not more pilots at once than allowed."""
    return _cap(number, limits.max_per_cycle, f"at most {limits.max_per_cycle} per cycle")


def _cap(number: int, most: int, words: str) -> tuple[int, str]:
    return max(0, min(number, most)), words


CHAIN: tuple[Rule, ...] = (ready, queue_status, black_hole, max_waiting, max_running, max_per_cycle)
