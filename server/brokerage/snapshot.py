"""What brokerage decides from: frozen values that somebody has read, each part with the time when it was read.

Sizes are bytes, durations seconds, times seconds since 1970; 0 and "" mean that nobody said, unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class QueueFacts:
    """What a queue has and takes, from its description."""

    name: str
    status: str = "online"
    type: str = "unified"
    cores: int = 1
    memory: int = 0
    min_memory: int = 0
    disk: int = 0
    max_walltime: int = 0
    min_walltime: int = 0
    max_input: int = 0
    platforms: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    containers: bool = False
    countries: tuple[str, ...] = ()
    other_countries: bool = True
    groups: tuple[str, ...] = ()
    processing: tuple[str, ...] = ()  # types that it takes; those with a ! before them it does not take
    without_pilots: bool = False  # jobs are sent there though no pilot was heard
    pledged: int = 0  # cores, beyond which they are borrowed and may be taken back; -1: all are
    transferring_limit: int = 0
    storages: tuple[str, ...] = ()  # where its jobs read inputs
    output_storage: str = ""
    log_storage: str = ""


@dataclass(frozen=True)
class Input:
    """A file that a job reads: ``size`` is ``None`` when nobody knows it; its order may name the storage."""

    dataset: str
    lfn: str
    size: int | None = None
    endpoint: str = ""

    @property
    def key(self) -> str:
        """By which replicas are found."""
        return f"{self.dataset}/{self.lfn}"


@dataclass(frozen=True)
class JobNeeds:
    """What a job asks of the queue that it is sent to."""

    label: str = "managed"
    cores: int = 1
    memory: int = 0
    disk: int = 0
    walltime: int = 0
    platform: str = ""
    release: str = ""
    container: str = ""
    processing_type: str = ""
    group: str = ""
    user: str = ""
    priority: int = 0
    inputs: tuple[Input, ...] = ()

    @property
    def input_size(self) -> int:
        """The bytes of all inputs whose size is known."""
        return sum(file.size or 0 for file in self.inputs)


@dataclass(frozen=True)
class Load:
    """How busy a queue is: jobs, except ``running_cores``; ``slots`` is how many jobs it may run at a time.

    ``waits_since`` is when the oldest of the queued jobs was queued, ``heard`` when a pilot was last heard or took one:
    seconds since 1970, 0 where there is none.
    """

    queued: int = 0
    running: int = 0
    running_cores: int = 0
    transferring: int = 0
    slots: int = 0
    waits_since: float = 0.0
    heard: float = 0.0


@dataclass(frozen=True)
class FailureRate:
    """How many of a queue's latest attempts have ended, and how many of these failed by no fault of their payloads."""

    ended: int = 0
    failed: int = 0

    @property
    def share(self) -> float:
        return self.failed / self.ended if self.ended else 0.0


@dataclass(frozen=True)
class UserFacts:
    """What a user may have, and has now. Limits of 0 are none; ``banned`` says why, and "" that he is not."""

    name: str
    country: str = ""
    banned: str = ""
    max_running_cores: int = 0
    max_queued: int = 0
    running_cores: int = 0
    queued: int = 0


@dataclass(frozen=True)
class Part(Generic[T]):
    """Facts by name, and when they were read."""

    facts: Mapping[str, T] = field(default_factory=dict)
    taken: float = 0.0

    def age(self, now: float) -> float:
        """Answer how old they are, in seconds."""
        return max(0.0, now - self.taken)


@dataclass(frozen=True)
class Snapshot:
    """Everything that a queue is chosen from.

    ``replicas`` are the storages that have a file, by its key; ``backlogs`` the transfers that a storage still has
    before it, by the storage's name.
    """

    now: float
    queues: Part[QueueFacts]
    loads: Part[Load] = field(default_factory=Part)
    failures: Part[FailureRate] = field(default_factory=Part)
    replicas: Part[tuple[str, ...]] = field(default_factory=Part)
    backlogs: Part[int] = field(default_factory=Part)
    users: Part[UserFacts] = field(default_factory=Part)
