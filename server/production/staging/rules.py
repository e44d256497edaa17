"""What is brought from tape now, and what its storage's answers mean for a chunk. Pure: no tables, no storages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from server.dataservice.states import ReplicaState, TransferState
from server.production.staging.states import StagedState
from server.production.states import ChunkState

#: Storages have a file, or its tape has.
THERE = (ReplicaState.AVAILABLE, ReplicaState.ON_TAPE)
#: The longest pause between two requests for a file, in seconds.
LONGEST = 86400


@dataclass(frozen=True)
class Room:
    """How many chunks may be on their way from tape, or wait on disk for their jobs, and how many are."""

    cap: int
    cap_per_storage: int
    held: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Say whether there is room for none more."""
        return sum(self.held.values()) >= self.cap

    @property
    def words(self) -> str:
        there = sum(self.held.values())
        return f"{there} chunks come from tape or wait on disk for their jobs, of at most {self.cap}"

    def __contains__(self, storages: Sequence[str]) -> bool:
        """Say whether there is room for more chunks, each named by its storage."""
        wanted = Counter(storages)
        fits = all(self.held.get(name, 0) + number <= self.cap_per_storage for name, number in wanted.items())
        return fits and sum(self.held.values()) + len(storages) <= self.cap

    def after(self, storages: Sequence[str]) -> Room:
        """Answer what it is when these have been taken, too."""
        return Room(self.cap, self.cap_per_storage, Counter(self.held) + Counter(storages))


@dataclass(frozen=True)
class Waiting:
    """What of a run waits: the tape storage of each chunk, in their order."""

    run: int
    storages: Sequence[str]


@dataclass(frozen=True)
class Choice:
    """How many of the first chunks of each run are staged now, the room after it, and why it is not all."""

    taken: Sequence[int]
    room: Room
    words: str = ""


def choose(runs: Sequence[Waiting], room: Room) -> Choice:
    """Say which runs are brought: whole ones, in their order, and none that follows one for which there is no room.

    A run that is larger than what is allowed at all comes in parts.
    """
    taken, left = list[int](), room
    for run in runs:
        if run.storages in left:
            taken.append(len(run.storages))
            left = left.after(run.storages)
            continue
        if run.storages not in Room(room.cap, room.cap_per_storage):
            part = 0
            while run.storages[part : part + 1] in left:
                left = left.after(run.storages[part : part + 1])
                part += 1
            taken.append(part)
        return Choice(taken, left, _full(run, left))
    return Choice(taken, left)


def _full(run: Waiting, room: Room) -> str:
    full = sorted(name for name in set(run.storages) if room.held.get(name, 0) >= room.cap_per_storage)
    said = room.words
    if full and not room.is_full:
        held, most = room.held.get(full[0], 0), room.cap_per_storage
        said = f"{held} chunks come from {full[0]} or wait on its disk, of at most {most}"
    return f"{said}: run {run.run} waits until some of them are sent"


class Then(Enum):
    """What is done with a chunk that waits for its input."""

    STAGE = "stage"
    #: What was asked for is still coming.
    GO_ON = "go on"
    ASK = "ask"


def place(state: StagedState | None, *, on_disk: bool, sent_since: bool) -> Then:
    """Say what to do with a chunk whose raw file lies on a storage with tapes.

    Args:
        state: How far its file was, if it was ever looked after.
        on_disk: Whether it can be read at once, as the catalogue has it.
        sent_since: A job was sent since it came, and the chunk is back: what the catalogue says is not believed.
    """
    if state in (StagedState.WAITING, StagedState.FAILED) or (sent_since and state is not StagedState.LET_GO):
        return Then.ASK
    if state is StagedState.ASKED:
        return Then.GO_ON
    return Then.STAGE if on_disk else Then.ASK


def slip_of_file(
    replica: ReplicaState | None, *, endpoint: str, known: tuple[int | None, str], said: tuple[int | None, str]
) -> str:
    """Say why a file cannot be asked for now, "" when it can.

    Args:
        replica: What the catalogue has of it at its storage.
        endpoint: That storage.
        known: Its size and checksum in the catalogue, unknown ones ``None`` and "".
        said: What the list of raw files says of them.
    """
    if replica in THERE:
        return ""
    if replica is ReplicaState.REMOVING:
        return f"it is being removed from {endpoint}"
    for what, here, there in zip(("size", "checksum"), known, said, strict=True):
        if here not in (None, "") and there not in (None, "") and here != there:
            return f"the catalogue has it with {what} {here}, its list with {there}; correct one of them"
    return ""


@dataclass(frozen=True)
class Told:
    """What the data service says of a chunk's file: the state of its transfer, with the storage's words."""

    state: TransferState | None
    words: str = ""
    wanted_until: datetime | None = None


@dataclass(frozen=True)
class Tries:
    """How often a file was asked for in vain, how often it may be, and the seconds before a second request."""

    attempts: int
    allowed: int
    delay: int


@dataclass(frozen=True)
class Verdict:
    """What becomes of a chunk and of its file; ``due`` is when it may be asked for again."""

    chunk: ChunkState
    file: StagedState
    words: str = ""
    attempts: int = 0
    due: datetime | None = None


def judge_arrival(told: Told, tries: Tries, *, request: int | None, now: datetime) -> Verdict | None:
    """Say what becomes of a chunk in staging; nothing while its file is on its way."""
    if told.state is None:
        words = (
            f"the data service does not know request {request} for it any more" if request else "nobody asked for it"
        )
        return _anew(tries, words, now)
    if told.state is TransferState.PINNED:
        return Verdict(ChunkState.STAGED, StagedState.ON_DISK, attempts=tries.attempts)
    if told.state is TransferState.FAILED:
        return in_vain(tries, f"request {request}: {told.words}", now)
    if told.state is TransferState.EXPIRED:
        return _anew(tries, f"request {request}: {told.words or 'its time is over'}", now)
    return None


def judge_loss(told: Told, tries: Tries, *, endpoint: str, now: datetime) -> Verdict:
    """Say what becomes of a chunk that has no job yet and whose file has left the disk.

    After its time, or when a person let it go, it is asked for anew as if for the first time; what leaves before counts
    as a request in vain.
    """
    words = f"its file has left the disk of {endpoint}" + (f": {told.words}" if told.words else "")
    if told.state is None or told.words.startswith("released by"):
        return _anew(tries, words, now)
    if told.wanted_until is not None and told.wanted_until <= now:
        return Verdict(ChunkState.DEFINED, StagedState.WAITING, words, 0, now)
    return in_vain(tries, words, now)


def _anew(tries: Tries, words: str, now: datetime) -> Verdict:
    return Verdict(ChunkState.DEFINED, StagedState.WAITING, words, tries.attempts, now)


def in_vain(tries: Tries, words: str, now: datetime) -> Verdict:
    """Say what becomes of a chunk whose file was asked for and is not to be had: another request, or a person looks."""
    attempts = tries.attempts + 1
    if attempts >= tries.allowed:
        said = f"after {attempts} request{'s' if attempts > 1 else ''}: {words}; when that is mended, resend staging"
        return Verdict(ChunkState.MANUAL_CHECK, StagedState.FAILED, said, attempts)
    return Verdict(ChunkState.DEFINED, StagedState.WAITING, words, attempts, now + pause(attempts, tries.delay))


def pause(attempts: int, delay: int) -> timedelta:
    """Answer how long after a request in vain the next one comes: ``delay`` s, doubled each time, up to a day."""
    return timedelta(seconds=min(LONGEST, delay * 2.0 ** min(max(attempts - 1, 0), 30)))
