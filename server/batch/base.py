"""What a batch system is asked and what it answers: values, and the class that each system implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from server.lib.apart import Misconfigured, Unavailable

if TYPE_CHECKING:
    from server.batch.place import Place


class BatchState(str, Enum):
    """What a batch system says of one of its jobs."""

    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"
    DONE = "done"
    LOST = "lost"


#: The most that a job may want, by the names of `Needs`; more is a slip, and more than tables and systems hold.
MOST: Mapping[str, int] = {
    **{"nodes": 100_000, "cores": 10_000, "memory": 2**50, "disk": 2**50},
    "wall_time": 3660 * 86400,
}


@dataclass(frozen=True)
class Needs:
    """What each job wants of the system. ``None`` leaves it to the system's own defaults.

    ``cores``, ``memory`` and ``disk`` (bytes) are those of one node; ``wall_time`` is in seconds. A job that wants
    ``whole_nodes`` shares its nodes with nobody, and ``cores`` says how many it may count on. What is not above 0, or
    more than `MOST`, is refused by a `BatchMisconfigured`.
    """

    nodes: int = 1
    cores: int = 1
    memory: int | None = None
    disk: int | None = None
    wall_time: float | None = None
    whole_nodes: bool = False

    def __post_init__(self) -> None:
        for name, most in MOST.items():
            value = getattr(self, name)
            if value is not None and not 0 < value <= most:  # what is not a number is neither
                raise BatchMisconfigured(f"needs.{name}: {str(value)[:40]}: give more than 0 and at most {most}")


@dataclass(frozen=True)
class Template:
    """What is started, ``count`` times alike.

    ``key`` names one submission for ever: after a crash in the middle of it the jobs are found again by it.
    ``argv`` and ``environment`` are all that the job gets; both can be read by others, so no secret belongs there.
    ``files`` (name -> file of this machine) is what a job finds under these names in the directory that it starts in:
    the file itself by a link, or a copy that only its user can read. ``grace`` is the time between the order to stop
    and the end of what did not, in seconds. ``options`` are those of the system's `BatchSystem.job_options`.
    """

    key: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    grace: float = 60.0
    files: Mapping[str, Path] = field(default_factory=dict)
    needs: Needs = Needs()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchJob:
    """One job as its batch system sees it. ``exit_status`` is 128 + n when signal n ended it; none while unknown.

    ``words`` say why it is held, lost, or was ended; ``node`` is where it runs or ran, if the system tells.
    """

    state: BatchState
    exit_status: int | None = None
    started: datetime | None = None
    ended: datetime | None = None
    words: str = ""
    node: str = ""


@dataclass(frozen=True)
class Window:
    """What a system could start this moment: so many free nodes, for so many seconds (none: nobody waits for them)."""

    nodes: int
    seconds: float | None = None


class BatchFailed(Unavailable):
    """The batch system could not do it; nothing is known of what it did before."""


class BatchMisconfigured(Misconfigured):
    """A system, or what a queue asks of it, cannot be so; the words name the system, the option and the remedy."""


@dataclass(frozen=True)
class NoOptions:
    """The options of what has none."""


class BatchSystem(ABC):
    """Starts the same thing many times, says how each is, and ends those that are not wanted any longer.

    Each job finds its id in ``COMPASS_BATCH_ID`` and its own directory in ``COMPASS_BATCH_DIRECTORY``. The id is in
    ``PANDA_JSID`` too: pilots name it when they ask for work, which tells the server which of them got a job.

    Plugins are classes of these, offered by the hook `register_batch_systems`; each has a ``name`` of its own.
    ``job_options`` is the dataclass of what a queue may ask of it (`Template.options`). One object serves all queues
    of one system and all threads; where ``per_queue``, each queue has a system of its own.
    """

    name: ClassVar[str]
    job_options: ClassVar[type] = NoOptions
    per_queue: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def open(cls, place: Place) -> Self:
        """Make one of what is said of it; nothing is asked of the system yet.

        Raises:
            BatchMisconfigured: one of its options cannot be so, or a library is missing.
        """

    @classmethod
    def behind(cls, options: Mapping[str, Any]) -> type[BatchSystem]:
        """Answer the kind that takes the jobs of a system with these options: this one, unless it leads to another.

        Raises:
            BatchMisconfigured: there is no such kind.
        """
        return cls

    @abstractmethod
    def submit(self, template: Template, count: int) -> tuple[str, ...]:
        """Submit ``count`` jobs; answer their ids, in order of their numbers 0 .. count - 1.

        Raises:
            BatchFailed: the key was used before, or the system refuses; look with `find` for what it took.
            BatchMisconfigured: the template has options that the system does not have.
        """

    @abstractmethod
    def find(self, key: str) -> Mapping[int, str]:
        """Answer what the system has of a submission: number -> id. What is not in it never starts.

        Raises:
            BatchFailed: the system does not answer.
        """

    @abstractmethod
    def status(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        """Say of each id how it is, with one question for all. An id that the system does not know is LOST.

        What has left the system's queue is answered as by `history`.

        Raises:
            BatchFailed: the system does not answer; nothing may be concluded.
        """

    @abstractmethod
    def history(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        """Say of those ids that have ended how they did, from the system's records; what it does not have is left out.

        Raises:
            BatchFailed: the system does not answer.
        """

    @abstractmethod
    def cancel(self, ids: Collection[str]) -> None:
        """Order jobs to stop, without waiting. Repeated after their grace it ends what has not stopped.

        Raises:
            BatchFailed: the system does not answer.
        """

    def cancel_waiting(self, ids: Collection[str]) -> tuple[str, ...]:
        """Order those of these jobs to stop that have no slot yet; answer which these were.

        A system that can do both in one step says so by a method of its own: here a job may get its slot in between.

        Raises:
            BatchFailed: the system does not answer.
        """
        without = (BatchState.QUEUED, BatchState.HELD)
        waiting = tuple(job for job, found in self.status(ids).items() if found.state in without)
        self.cancel(waiting)
        return waiting

    @abstractmethod
    def directory(self, job: str) -> Path:
        """Answer where the files ``stdout`` and ``stderr`` of a job lie, on this machine."""

    @abstractmethod
    def forget(self, ids: Collection[str]) -> None:
        """Remove the files of jobs that have ended; those of others stay."""

    def collect(self, ids: Collection[str]) -> int:
        """Bring the files of jobs that have ended to their directories; answer of how many they had to be brought.

        Raises:
            BatchFailed: the system does not answer; ask again.
        """
        return 0

    def window(self, options: Mapping[str, Any]) -> Window | None:
        """Answer what could start this moment with these options of a queue; none if the system does not tell.

        Raises:
            BatchFailed: the system does not answer.
        """
        return None
