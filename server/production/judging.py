"""What a job's end means for its chunk or merge group, and what a run's sums mean. Pure rules, one table each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pilot.contract.payload_codes import MEANINGS, PayloadCode
from pilot.contract.states import FINAL, WITH_PILOT, JobState
from server.production.states import ChunkState, GroupState, Verdict


@dataclass(frozen=True)
class JobView:
    """What the production looks at in a job of the task buffer. ``events`` is ``None`` when the pilot did not say."""

    id: int
    state: JobState
    attempt: int
    events: int | None = None
    payload_error: int = 0
    words: str = ""


@dataclass(frozen=True)
class Finding:
    """The state that a chunk or a group comes to, and why."""

    state: str
    words: str = ""


def needs_a_person(payload_error: int) -> bool:
    """Say whether the experiment's rules want a look before another attempt."""
    try:
        return MEANINGS[PayloadCode(payload_error)].manual_check
    except ValueError:
        return False


def judge_chunk(job: JobView, *, ordered: int | None) -> Finding:
    """Say what becomes of a chunk; ``ordered`` is the number of events its job has to make, if it was told one."""
    if job.state is JobState.FINISHED:
        if ordered is not None and job.events != ordered:
            found = "an unknown number of" if job.events is None else job.events
            return Finding(ChunkState.MANUAL_CHECK, f"{ordered} events were ordered, {found} were made")
        return Finding(ChunkState.FINISHED)
    if job.state in FINAL:
        return _judge_failure(job, ChunkState.MANUAL_CHECK, ChunkState.FAILED)
    return Finding(ChunkState.RUNNING if job.state in WITH_PILOT else ChunkState.SENT)


def judge_group(job: JobView) -> Finding:
    """Say what becomes of a merge group."""
    if job.state is JobState.FINISHED:
        return Finding(GroupState.FINISHED)
    if job.state in FINAL:
        return _judge_failure(job, GroupState.MANUAL_CHECK, GroupState.FAILED)
    return Finding(GroupState.SENT)


def _judge_failure(job: JobView, look: str, failed: str) -> Finding:
    words = job.words or f"its job {job.id} ended {job.state.value}"
    if needs_a_person(job.payload_error):
        meaning = MEANINGS[PayloadCode(job.payload_error)]
        return Finding(look, f"{job.payload_error} {meaning.words}: {meaning.advice}"[:500])
    return Finding(failed, words[:500])


@dataclass(frozen=True)
class Sums:
    """What went in and what came out of all merges of a run, and the judgement on it."""

    verdict: Verdict
    expected: int | None
    found: int | None
    words: str


def judge_events(chunks: Sequence[tuple[int, int | None]], groups: Sequence[tuple[int, int | None]]) -> Sums:
    """Compare the events of a run's chunks with those of all its merged mDSTs.

    Args:
        chunks: Number and events of each chunk; ``None`` events are unknown.
        groups: Number and events of each merge group.
    """
    unknown = [f"chunk {number}" for number, events in chunks if events is None]
    unknown += [f"merged file {number}" for number, events in groups if events is None]
    expected = sum(events or 0 for _, events in chunks)
    found = sum(events or 0 for _, events in groups)
    if unknown:
        return Sums(Verdict.MANUAL_CHECK, expected, found, f"number of events unknown: {_few(unknown)}")
    return _equal(expected, found, "events")


def judge_dumps(chunk_sizes: Sequence[int], group_sizes: Sequence[int | None], *, empty: int) -> Sums:
    """Compare the bytes of a run's event dumps, without their heads of ``empty`` bytes, with those of all merged."""
    expected = sum(size - empty for size in chunk_sizes)
    if any(size is None for size in group_sizes):
        return Sums(Verdict.MANUAL_CHECK, expected, None, "the size of a merged dump is unknown")
    return _equal(expected, sum((size or 0) - empty for size in group_sizes), "bytes")


def _equal(expected: int, found: int, unit: str) -> Sums:
    if expected == found:
        return Sums(Verdict.YES, expected, found, f"{found} {unit} went in and came out")
    lost = expected - found
    what = f"{lost} are missing" if lost > 0 else f"{-lost} are too many"
    return Sums(Verdict.MANUAL_CHECK, expected, found, f"{expected} {unit} went in, {found} came out: {what}")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
