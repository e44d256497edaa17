"""What a job's end means for its chunk or merge group, and what a run's sums mean. Pure rules, one table each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pilot.contract.codes import ErrorCode
from pilot.contract.states import FINAL, WITH_PILOT, JobState
from server.production.rules.actions import Action
from server.production.rules.match import Decision
from server.production.states import ChunkState, GroupState, Verdict


@dataclass(frozen=True)
class JobView:
    """What the production looks at in a job of the task buffer. ``events`` is ``None`` when the pilot did not say.

    ``words`` are the first that somebody said of its end, ``said`` all of them, a line each.
    """

    id: int
    state: JobState
    attempt: int
    events: int | None = None
    payload_error: int = 0
    words: str = ""
    pilot_error: int = 0
    queue: str = ""
    said: str = ""


@dataclass(frozen=True)
class Finding:
    """The state that a chunk or a group comes to, why, and the rule that said so.

    ``delay`` is seconds until another attempt; ``None``: none comes by itself.
    """

    state: str
    words: str = ""
    rule: str = ""
    delay: float | None = None


def ended_badly(job: JobView) -> bool:
    return job.state in FINAL and job.state is not JobState.FINISHED


def judge_chunk(job: JobView, *, ordered: int | None, decision: Decision | None = None) -> Finding:
    """Say what becomes of a chunk.

    Args:
        job: Its job as it stands.
        ordered: The number of events that its job has to make, if it was told one.
        decision: What rules say of its failure, if it has ended badly.
    """
    if job.state is JobState.FINISHED:
        if ordered is not None and job.events != ordered:
            found = "an unknown number of" if job.events is None else job.events
            return Finding(ChunkState.MANUAL_CHECK, f"{ordered} events were ordered, {found} were made")
        return Finding(ChunkState.FINISHED)
    if ended_badly(job):
        return _judge_failure(job, decision)
    return Finding(ChunkState.RUNNING if job.state in WITH_PILOT else ChunkState.SENT)


def judge_group(job: JobView, *, decision: Decision | None = None) -> Finding:
    """Say what becomes of a merge group; ``decision`` is what rules say of its failure, if its job has ended badly."""
    if job.state is JobState.FINISHED:
        return Finding(GroupState.FINISHED)
    if ended_badly(job):
        return _judge_failure(job, decision)
    return Finding(GroupState.SENT)


#: Where these lead; all others lead to ``failed``. Chunks and groups have the same words for them.
_LEADS_TO = {Action.MANUAL_CHECK: ChunkState.MANUAL_CHECK, Action.STAGING: ChunkState.DEFINED}


def _judge_failure(job: JobView, decision: Decision | None) -> Finding:
    if decision is None:
        return Finding(ChunkState.FAILED, job.words[:500] or f"its job {job.id} ended {job.state.value}")
    state = _LEADS_TO.get(decision.action, ChunkState.FAILED)
    return Finding(state, decision.words[:500], decision.rule, decision.delay)


#: Pilots say by these that an input is nowhere, and in their words which one.
_GONE = frozenset({ErrorCode.REPLICA_NOT_FOUND, ErrorCode.NO_SUCH_FILE, ErrorCode.MISSING_INPUT})


def vanished(job: JobView, inputs: Sequence[str]) -> str:
    """Answer which of a failed job's inputs is not where it should lie, as its pilot has found; empty if none.

    Of several the first: where a whole storage is away nothing is there, and not everything is to be made again.
    """
    if job.state is not JobState.FAILED or job.pilot_error not in _GONE:
        return ""
    named = {lfn: at for lfn in inputs if (at := f" {job.words}".find(f" {lfn}: ")) >= 0}
    return min(named, key=named.__getitem__, default="")


@dataclass(frozen=True)
class Merged:
    """A merge group held against its inputs, in events or in bytes; ``None`` is unknown."""

    number: int
    expected: int | None
    found: int | None

    @property
    def words(self) -> str:
        return f"merge {self.number}: {_told(self.expected)} in, {_told(self.found)} out"


@dataclass(frozen=True)
class Sums:
    """What went in and what came out of all merges of a run, the judgement on it, and the groups that differ."""

    verdict: Verdict
    expected: int | None
    found: int | None
    words: str
    bad: tuple[Merged, ...] = ()


def judge_events(chunks: Sequence[tuple[int, int | None]], groups: Sequence[Merged]) -> Sums:
    """Compare the events of a run's chunks with those of all its merged mDSTs, and of each with its inputs'.

    Args:
        chunks: Number and events of each chunk; ``None`` events are unknown.
        groups: Each merge group with the events of its inputs and its own.
    """
    unknown = [f"chunk {number}" for number, events in chunks if events is None]
    unknown += [f"merge {group.number}" for group in groups if group.found is None]
    expected = sum(events or 0 for _, events in chunks)
    found = sum(group.found or 0 for group in groups)
    if unknown:
        words = f"number of events unknown: {_few(unknown)}; count them in the files, then accept it or send it again"
        return Sums(Verdict.MANUAL_CHECK, expected, found, words)
    return _judge(expected, found, groups, "events")


def judge_dumps(chunk_sizes: Sequence[int], groups: Sequence[Merged], *, head: int) -> Sums:
    """Compare the bytes of a run's event dumps, without their heads, with those of all merged dumps, and of each.

    Args:
        chunk_sizes: Of every dump that holds events, in bytes; markers of empty ones are left out.
        groups: Each merge group: bytes that its inputs have without their heads, and bytes of its file with one.
        head: Bytes that each dump begins with and a merged one has once.
    """
    expected = sum(size - head for size in chunk_sizes)
    if unknown := [f"merge {group.number}" for group in groups if group.found is None]:
        return Sums(Verdict.MANUAL_CHECK, expected, None, f"size of the merged dump unknown: {_few(unknown)}")
    bodies = [Merged(group.number, group.expected, (group.found or 0) - head) for group in groups]
    return _judge(expected, sum(group.found or 0 for group in bodies), bodies, "bytes")


def _judge(expected: int, found: int, groups: Sequence[Merged], unit: str) -> Sums:
    """Say yes only if the sums are equal and each group has what went into it: two faults may hide each other."""
    bad = tuple(group for group in groups if group.expected != group.found)
    named = _few([group.words for group in bad])
    if expected != found:
        lost = expected - found
        what = f"{lost} are missing" if lost > 0 else f"{-lost} are too many"
        words = f"{expected} {unit} went in, {found} came out: {what}"
        return Sums(Verdict.MANUAL_CHECK, expected, found, f"{words}; {named}" if bad else words, bad)
    if bad:
        words = f"{found} {unit} went in and came out, but not of each merge; {named}"
        return Sums(Verdict.MANUAL_CHECK, expected, found, words, bad)
    return Sums(Verdict.YES, expected, found, f"{found} {unit} went in and came out")


def _told(number: int | None) -> str:
    return "unknown" if number is None else str(number)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
