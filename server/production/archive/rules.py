"""What decides on a file's way to tape. Pure: no tables and no storages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from server.dataservice.states import ReplicaState
from server.production.chains import Chain
from server.production.files import RESULT_OF
from server.production.states import CheckKind, OutputKind, TapeState

#: The longest pause between two requests for a file, in seconds.
LONGEST = 86400
#: So many files of a task at a time are made anew because they vanished: where a storage is away nothing is there.
REMADE_AT_ONCE = 10


@dataclass(frozen=True)
class Needs:
    """What makes a file of one kind right: its merge, or else its chunk, is finished, and these checks have passed."""

    merged: bool
    checks: tuple[CheckKind, ...] = ()


def needs(chain: Chain, kind: OutputKind) -> Needs:
    """Say what makes a file of a kind right in a chain: the check before its merge, and the one on it."""
    for merge in chain.merges:
        if RESULT_OF[merge.kind] is kind:
            return Needs(True, tuple(check for check in (merge.after, merge.check) if check is not None))
    return Needs(kind is OutputKind.PACKED_LOGS)


class Then(Enum):
    """What to do for a file that is to go to tape."""

    ASK = "ask"
    #: Another file of its name lies on the tapes; nothing is overwritten there.
    REMOVE_OLD = "remove old"
    MAKE_AGAIN = "make again"
    #: It cannot be asked for now; that counts as a request that failed.
    FAIL = "fail"


@dataclass(frozen=True)
class Judged:
    then: Then
    words: str = ""


def judge(replicas: Mapping[str, ReplicaState], *, home: str, tape: str, asked: bool) -> Judged:
    """Say what to do, from where the catalogue knows a file to be.

    Args:
        replicas: Its replicas, by storage.
        home: The storage that its job has written it to.
        tape: The storage of the tapes.
        asked: Whether a file of its name was asked for on tape before: then another copy may lie there.
    """
    there = (ReplicaState.AVAILABLE, ReplicaState.ON_TAPE)
    elsewhere = {name: state for name, state in replicas.items() if name != tape}
    readable = [name for name, state in elsewhere.items() if state is ReplicaState.AVAILABLE]
    at_tape = replicas.get(tape) in there
    if at_tape and asked and readable and home != tape:
        return Judged(Then.REMOVE_OLD, f"another copy of its name lies at {tape}: that is removed first")
    # What lies there already is only compared; the last copy of a file is never removed.
    if readable or at_tape:
        return Judged(Then.ASK)
    if on_tape := [name for name, state in elsewhere.items() if state is ReplicaState.ON_TAPE]:
        return Judged(Then.FAIL, f"it lies on tape at {on_tape[0]} only: have it brought to disk, then ask again")
    if leaving := [name for name, state in replicas.items() if state is ReplicaState.REMOVING]:
        return Judged(Then.FAIL, f"it is being removed from {leaving[0]}")
    return Judged(Then.MAKE_AGAIN, f"it is not on {home} any more")


def believed(absent: Sequence[int], looked: Collection[int]) -> list[int]:
    """Answer which of the files that a storage says are absent are: where nothing at all is there, only the first."""
    return list(absent) if len(absent) < len(looked) else list(absent[:1])


def pause(attempts: int, delay: int) -> timedelta:
    """Answer how long after a failed request the next one comes: ``delay`` seconds, doubled each time, up to a day."""
    return timedelta(seconds=min(LONGEST, delay * 2.0 ** min(max(attempts - 1, 0), 30)))


@dataclass(frozen=True)
class Next:
    """What a file becomes, and why."""

    state: TapeState
    words: str


def after_failure(attempts: int, *, allowed: int, words: str, delay: int, given_up: bool = False) -> Next:
    """Say what a file becomes after a request that failed: ready for another one, or failed until somebody asks again.

    Args:
        attempts: Requests that were made for it.
        allowed: Most requests.
        words: Why it failed.
        delay: Seconds before a second request.
        given_up: A person, or the age of the request, has ended it: then nobody asks again by himself.
    """
    times = "request" if attempts == 1 else "requests"
    if given_up or attempts >= allowed:
        return Next(TapeState.FAILED, f"after {attempts} {times}: {words}; when that is mended, ask for it again")
    hours = pause(attempts, delay).total_seconds() / 3600
    return Next(TapeState.READY, f"request {attempts} of {allowed} failed: {words}; asked again in {hours:.1f} h")
