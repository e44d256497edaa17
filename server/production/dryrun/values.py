"""What a dry run takes and answers: pieces, what was learnt from past jobs, jobs, merges and sums. All values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from server.production.files import Names
from server.production.limits import Limits
from server.production.states import OutputKind


class Piece(NamedTuple):
    """What a job would read, or make from nothing. Size is bytes; what is not known is ``None``, or empty."""

    run: int
    chunk: int
    lfn: str = ""
    dataset: str = ""
    endpoint: str = ""
    size: int | None = None
    events: int | None = None


@dataclass(frozen=True)
class Rate:
    """How much there is of something for each byte that goes in, for each event, and for each job."""

    per_byte: float | None = None
    per_event: float | None = None
    per_job: float | None = None

    def of(self, piece: Piece) -> float | None:
        """Answer how much it is for a piece: by its size, else by its events, else as much as for any."""
        if self.per_byte is not None and piece.size is not None:
            return self.per_byte * piece.size
        if self.per_event is not None and piece.events is not None:
            return self.per_event * piece.events
        return self.per_job


@dataclass(frozen=True)
class Learnt:
    """What jobs of the past tell: bytes of each kind of file, seconds of a job and of a merge.

    ``alike`` says in what their tasks are like this one; empty: there were none.
    """

    sizes: Mapping[OutputKind, Rate] = field(default_factory=dict)
    seconds: Rate = field(default_factory=Rate)
    merge_seconds: float | None = None
    jobs: int = 0
    merges: int = 0
    tasks: tuple[str, ...] = ()
    alike: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "alike": self.alike,
            "tasks": list(self.tasks),
            "jobs": self.jobs,
            "merges": self.merges,
            "seconds": asdict(self.seconds),
            "merge_seconds": self.merge_seconds,
            "sizes": {kind.value: asdict(rate) for kind, rate in self.sizes.items()},
        }


@dataclass(frozen=True)
class Wanted:
    """What the plan of a task follows from, besides its pieces.

    ``tape``: the storage whose tapes take its files, empty: none. ``tapes``: those of which inputs are brought.
    ``slots``: how many jobs its queue runs at a time; 0: nobody knows.
    """

    names: Names
    limits: Limits
    merge_dumps: bool = True
    tape: str = ""
    tapes: frozenset[str] = frozenset()
    slots: int = 0
    learnt: Learnt = field(default_factory=Learnt)


class Made(NamedTuple):
    """A file that a job would write; ``size`` is estimated, ``None``: nothing is known to estimate it by."""

    kind: OutputKind
    lfn: str
    dataset: str
    size: int | None


class Job(NamedTuple):
    """A job that would be sent."""

    name: str
    piece: Piece
    outputs: tuple[Made, ...]
    seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "job": self.name,
            "run": self.piece.run,
            "chunk": self.piece.chunk,
            "input": {
                "lfn": self.piece.lfn,
                "dataset": self.piece.dataset,
                "storage": self.piece.endpoint,
                "size": self.piece.size,
            },
            "events": self.piece.events,
            "seconds": self.seconds,
            "outputs": [{**made._asdict(), "kind": made.kind.value} for made in self.outputs],
        }


class MergeJob(NamedTuple):
    """A merge that would be made, of ``files`` files of the chunks from ``first`` to ``last``."""

    name: str
    run: int
    kind: str
    number: int
    first: int
    last: int
    files: int
    lfn: str
    dataset: str
    size: int | None
    refused: bool

    def as_json(self) -> dict[str, Any]:
        return self._asdict()


@dataclass
class Sum:
    """Files, the bytes of those whose size is known, and how many the others are."""

    files: int = 0
    size: int = 0
    unknown: int = 0

    def add(self, size: int | None) -> None:
        self.files += 1
        if size is None:
            self.unknown += 1
        else:
            self.size += size

    def as_json(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True)
class RunLine:
    """One run of the plan; ``groups``: its merges by kind."""

    run: int
    chunks: int
    empty: int
    events: int
    input: Sum
    groups: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "groups": dict(self.groups)}


@dataclass(frozen=True)
class Duration:
    """How long it takes, in seconds, and what that is computed from; ``None``: something of it is not known."""

    seconds: float | None
    slots: int
    jobs: int
    job_seconds: float | None
    merges: int
    merge_seconds: float | None
    words: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
