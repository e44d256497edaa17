"""What a look at a storage says of a file, and what follows from it: rules, no tables and no storage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from server.dataservice.limits import Limits
from server.dataservice.states import Answer
from server.storage.base import Fault, FaultKind, Found, Locality


@dataclass(frozen=True)
class Expected:
    """What should lie there; ``size`` is ``None`` and ``checksum`` empty when nobody knows. ``seen``: it once did."""

    size: int | None
    checksum: str
    seen: bool = False


class Wanted(Enum):
    """Where its bytes should be."""

    DISK = "disk"
    TAPE = "tape"
    ANYWHERE = "anywhere"


class Then(Enum):
    """What to do after an answer."""

    GO_ON = "go on"
    WAIT = "wait"
    AGAIN = "again"


@dataclass(frozen=True)
class Looked:
    """An answer and its words, which name both numbers where two differ."""

    answer: Answer
    words: str


def judge(expected: Expected, found: Found | Fault, *, wanted: Wanted, checksums: bool = False) -> Looked:
    """Say what a storage's answer means.

    Deleted, absent, of size 0, and with another checksum are four different answers: the first three may be a matter
    of time, each of its own, the last never is.

    Args:
        expected: What should lie there.
        found: What the storage says.
        wanted: Where the bytes should be.
        checksums: Whether they were asked for; then one that should be known and is not given is an answer, too.
    """
    if isinstance(found, Fault):
        return _judge_fault(expected, found)
    if found.locality is Locality.LOST:
        return Looked(Answer.NO_BYTES, "the storage has its name, and nowhere its bytes")
    if found.size == 0 and expected.size != 0:
        return Looked(Answer.EMPTY, "it has size 0")
    if expected.size is not None and found.size != expected.size:
        return Looked(Answer.SIZE, f"it has {found.size} bytes instead of {expected.size}")
    if checksums and expected.checksum and (wrong := _judge_checksum(expected.checksum, found)):
        return wrong
    return _judge_place(found.locality, wanted)


def _judge_fault(expected: Expected, fault: Fault) -> Looked:
    if fault.kind is not FaultKind.ABSENT:
        return Looked(Answer.REFUSED, f"{fault.kind.value}: {fault.words}")
    if expected.seen:
        return Looked(Answer.DELETED, f"it was there and is not any more: {fault.words}")
    return Looked(Answer.ABSENT, f"it is not there: {fault.words}")


def _judge_checksum(expected: str, found: Found) -> Looked | None:
    said = found.checksum
    if not said or kind_of(said) != kind_of(expected):
        words = f"the storage does not tell its {kind_of(expected)}"
        if not said and not found.locality.on_disk:
            # Many read a file to tell it. What nobody has compared is never taken for right.
            words += ": it is on tape only; have it brought to disk, then this request tried again"
        return Looked(Answer.NO_CHECKSUM, words)
    if said.lower() != expected.lower():
        return Looked(Answer.CHECKSUM, f"it has {said} instead of {expected}")
    return None


def kind_of(checksum: str) -> str:
    """Answer the kind of a checksum, such as ``adler32``."""
    return checksum.partition(":")[0].lower()


def _judge_place(locality: Locality, wanted: Wanted) -> Looked:
    if wanted is Wanted.DISK and not locality.on_disk:
        return Looked(Answer.OFFLINE, "it is not on disk")
    if wanted is Wanted.TAPE and not locality.on_tape:
        return Looked(Answer.NOT_ON_TAPE, "it is not on tape yet")
    return Looked(Answer.RIGHT, "")


def follow(answer: Answer, age: timedelta, limits: Limits) -> Then:
    """Say what to do, when looks have given the same answer for so long.

    The whole duration counts: a file may be absent for days because nobody has looked.
    """
    if answer is Answer.RIGHT:
        return Then.GO_ON
    patience = {
        Answer.ABSENT: limits.absent_for,
        Answer.EMPTY: limits.empty_for,
        Answer.NOT_ON_TAPE: limits.tape_for,
        Answer.OFFLINE: limits.absent_for,
        Answer.REFUSED: limits.absent_for,
        Answer.NO_CHECKSUM: limits.absent_for,
    }.get(answer, 0)
    return Then.AGAIN if age.total_seconds() >= patience else Then.WAIT


#: After these the replica is not there, whatever the catalogue says.
GONE = (Answer.ABSENT, Answer.DELETED, Answer.NO_BYTES)
