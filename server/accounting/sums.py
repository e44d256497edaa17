"""What ends of jobs and of their tries add up to, by day and kind; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

from pilot.contract.states import FINAL, WITH_PILOT, JobState

#: The columns of a row of usage that are added up.
JOBS = {state.value: f"jobs_{state.value}" for state in sorted(FINAL)}
COLUMNS = (
    *JOBS.values(),
    *("attempts", "attempts_failed", "good_core_seconds", "lost_core_seconds", "cpu_seconds"),
    *("input_files", "input_bytes", "output_files", "output_bytes"),
)

_FINAL = frozenset(JOBS)
_WITH_PILOT = frozenset(state.value for state in WITH_PILOT)


class Move(NamedTuple):
    """One event of a job."""

    number: int
    job: int
    attempt: int
    before: str
    after: str
    at: datetime

    @property
    def ends_attempt(self) -> bool:
        """Say whether the pilot that had the job has it no more: that happens once to each attempt."""
        return self.before in _WITH_PILOT and self.after not in _WITH_PILOT

    @property
    def ends_job(self) -> bool:
        """Say whether the job is over, unless the same moment brings it another attempt."""
        return self.after in _FINAL

    @property
    def moment(self) -> tuple[int, datetime]:
        return (self.job, self.at)


class Key(NamedTuple):
    """What a row of usage is of."""

    day: date
    user: str
    group: str
    share: str
    queue: str
    task_id: int
    label: str


@dataclass(frozen=True)
class Try:
    """One attempt that has ended, or a later one by whose queue an earlier end is placed. Sizes are bytes."""

    queue: str
    state: str = ""
    wall: float = 0.0  # seconds, 0 where it never began
    began: bool = False
    cause: tuple[str, int] = ("none", 0)
    cpu: int = 0  # seconds
    outputs: int = 0
    output_bytes: int = 0


@dataclass(frozen=True)
class Facts:
    """What has to be known of a job whose move is counted."""

    user: str
    group: str
    share: str
    queue: str
    task_id: int
    label: str
    cores: int
    inputs: int = 0
    input_bytes: int = 0
    tries: Mapping[int, Try] = field(default_factory=dict)

    def key(self, move: Move) -> Key:
        """Answer where a move counts: at the queue of its attempt, or of the next one that ran, or of the job."""
        later = [number for number in self.tries if number >= move.attempt]
        queue = self.tries[min(later)].queue if later else self.queue
        return Key(move.at.astimezone(UTC).date(), self.user, self.group, self.share, queue, self.task_id, self.label)


class Tally:
    """Sums by kind, and failures by kind and cause."""

    def __init__(self) -> None:
        self.usage: defaultdict[Key, Counter[str]] = defaultdict(Counter)
        self.failures: defaultdict[Key, Counter[tuple[str, int]]] = defaultdict(Counter)

    def count(self, move: Move, facts: Facts, *, over: bool) -> None:
        """Count a move: the end of an attempt, and, where it is ``over``, of the job."""
        key = facts.key(move)
        if over:
            self.usage[key][JOBS[move.after]] += 1
        if move.ends_attempt and (one := facts.tries.get(move.attempt)) is not None:
            self.usage[key].update(_sums(one, facts))
            if one.state == JobState.FAILED.value:
                self.failures[key][one.cause] += 1

    def days(self) -> set[date]:
        return {key.day for key in self.usage}


def _sums(one: Try, facts: Facts) -> dict[str, int]:
    good = one.state == JobState.FINISHED.value
    core_seconds = round(one.wall * max(1, facts.cores))
    read = {"input_files": facts.inputs, "input_bytes": facts.input_bytes} if one.began else {}
    return {
        "attempts": 1,
        "attempts_failed": int(one.state == JobState.FAILED.value),
        "good_core_seconds" if good else "lost_core_seconds": core_seconds,
        "cpu_seconds": one.cpu,
        "output_files": one.outputs,
        "output_bytes": one.output_bytes,
        **read,
    }


def tally(
    moves: Collection[Move],
    facts: Mapping[int, Facts],
    again: Collection[tuple[int, datetime]] = (),
    undone: Collection[tuple[int, datetime]] = (),
    into: Tally | None = None,
) -> Tally:
    """Count moves.

    Args:
        moves: Each once; those that end nothing are passed over.
        facts: Of their jobs; a job that is not there counts nothing.
        again: (job, time) of the moves that gave a failed job another attempt: one at the same moment as its failure
            was written together with it, and the job is not over.
        undone: (job, time) at which resets were undone: such a job is what it was, and ends no second time.
        into: Add to this.
    """
    found = Tally() if into is None else into
    for move in moves:
        if (move.ends_attempt or move.ends_job) and (known := facts.get(move.job)) is not None:
            retried = move.after == JobState.FAILED.value and move.moment in again
            over = move.ends_job and not retried and move.moment not in undone
            if over or move.ends_attempt:
                found.count(move, known, over=over)
    return found
