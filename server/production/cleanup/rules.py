"""What of a task may be removed from its disks, and why the rest is kept. Pure: rows decide, and never names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from server.production.archive.rules import needs, pause
from server.production.chains import chain_of
from server.production.files import RESULT_OF, SOURCE_OF
from server.production.states import (
    PASSED,
    CheckKind,
    ChunkState,
    GroupState,
    MergeKind,
    OutputKind,
    TaskState,
    Verdict,
)

#: What is made to be merged or packed: kind of the file, kind of its merge.
MERGED_BY = {source: kind for kind, source in SOURCE_OF.items()}
#: The kinds of which anything may be removed at all.
REMOVABLE = (*MERGED_BY, OutputKind.GENERATED)

#: In these nothing more happens to a chunk, or to a merge, of a task that is archived.
CLOSED_CHUNKS = (ChunkState.FINISHED, ChunkState.CANCELLED)
CLOSED_GROUPS = (GroupState.FINISHED, GroupState.CANCELLED)
#: A child in one of these never reads its parent's files again: what is only done may be sent again.
OVER = (TaskState.ARCHIVED, TaskState.CANCELLED)


@dataclass(frozen=True)
class Owner:
    """What holds for all files of a task.

    ``tape``: the storage whose tapes take its files; empty: none. ``kept``: the words of the person who wants all of
    it to be kept. ``children``: the states of the tasks that read what it made.
    """

    type: str
    state: str
    tape: str
    kept: str = ""
    children: Collection[str] = ()


@dataclass(frozen=True)
class Group:
    """A merge, or a packing, that files went into; ``safe``: all that it made lies on tape, verified."""

    kind: str
    state: str
    safe: bool


@dataclass(frozen=True)
class RunFacts:
    """``open``: a chunk or a merge of the run is not at its end. ``checks``: its verdicts, by kind."""

    open: bool = False
    checks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Portion:
    """Files of a run that are alike: of one kind, at one storage, in the same merge.

    ``safe``: they lie on tape themselves, verified. ``empty``: dumps without an event.
    """

    kind: str
    endpoint: str
    run: int
    group: int | None
    empty: bool
    safe: bool
    files: int
    size: int


def kept_because(owner: Owner, run: RunFacts, group: Group | None, files: Portion) -> str:
    """Say why files are kept; empty: they may be removed."""
    return _of_task(owner) or _of_place(owner, files) or _of_files(owner, run, group, files)


def _of_task(owner: Owner) -> str:
    if owner.kept:
        return f"its task is to be kept: {owner.kept}"
    if owner.state != TaskState.ARCHIVED:
        return "its task is not archived"
    return "" if owner.tape else "its task has no tape"


def _of_place(owner: Owner, files: Portion) -> str:
    if OutputKind(files.kind) not in REMOVABLE:
        return "it is a result"
    return f"it lies at {owner.tape}, which has the tapes" if files.endpoint == owner.tape else ""


def _of_files(owner: Owner, run: RunFacts, group: Group | None, files: Portion) -> str:
    if run.open:
        return "something of its run is open"
    kind = OutputKind(files.kind)
    if kind is OutputKind.GENERATED:
        return _of_generated(owner, files)
    if group is not None:
        return _of_merged(owner, run, group, MERGED_BY[kind])
    if kind is not OutputKind.DUMP or not files.empty:
        return "it went into no packed file" if kind is OutputKind.LOG else "it went into no merged file"
    return "" if _passed(run, CheckKind.DUMP) else "it is empty, and the check of its run's dumps has not passed"


def _of_generated(owner: Owner, files: Portion) -> str:
    if not files.safe:
        return "it is not on tape"
    if TaskState.ARCHIVED not in owner.children:
        return "no task that reads it is archived"
    return "" if all(state in OVER for state in owner.children) else "a task that reads it is not over"


def _of_merged(owner: Owner, run: RunFacts, group: Group, kind: MergeKind) -> str:
    if group.kind != kind:
        return "it went into a merge of another kind"
    if group.state != GroupState.FINISHED:
        return "its merge is not finished"
    for check in needs(chain_of(owner.type), RESULT_OF[kind]).checks:
        if not _passed(run, check):
            return f"its run's check of {check.label} has not passed"
    return "" if group.safe else f"its {RESULT_OF[kind].label} file is not on tape"


def _passed(run: RunFacts, check: CheckKind) -> bool:
    return Verdict(run.checks.get(check, Verdict.NO)) in PASSED


@dataclass(frozen=True)
class Failed:
    """What follows a request that failed: the next one, or none."""

    due: datetime | None
    words: str


def after_failure(tries: int, *, allowed: int, delay: int, words: str, given_up: bool, now: datetime) -> Failed:
    """Say when a file that could not be removed is asked for again: later each time, and not for ever.

    Args:
        tries: Requests that were made for it.
        allowed: Most requests.
        delay: Seconds before a second request; doubled with each further one, up to a day.
        words: Why it failed.
        given_up: A person, or the age of the request, has ended it: then nobody asks again by himself.
        now: The time.
    """
    if given_up or tries >= allowed:
        return Failed(None, f"after {tries} requests: {words}; when that is mended, ask again by 'compass task clean'")
    wait: timedelta = pause(tries, delay)
    return Failed(now + wait, f"request {tries} of {allowed} failed: {words}; asked again in {wait}")
