"""What is said between those who gather jobs, shape an allocation, launch it and follow it. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple, Optional, Protocol


class Wishes(NamedTuple):
    """What a site wants of its allocations: from the settings, and from ``params.hpc`` of the queue, which wins.

    ``wall_time`` is in seconds. ``ranks_per_node`` 0: as many as a node's cores hold. ``turns``: a rank may take
    several lines, one after the other. ``options`` are further words for the launcher, ``batch_options`` for the
    batch system; ``project`` and ``queue`` are the batch system's own names, empty when it needs none.
    """

    cores_per_node: int = 32
    ranks_per_node: int = 0
    most_nodes: int = 300
    wall_time: float = 64800.0
    turns: bool = False
    launcher: str = "local"
    options: tuple[str, ...] = ()
    project: str = ""
    queue: str = ""
    batch_options: tuple[str, ...] = ()


class Shape(NamedTuple):
    """An allocation: so many nodes, ranks in all, ranks and cores on each node, cores for each rank.

    ``wall_time`` is in seconds. ``lines`` is the number of payloads: that of the ranks, or more where ranks take turns.
    """

    nodes: int
    ranks: int
    ranks_per_node: int
    cores_per_node: int
    cores_per_rank: int
    wall_time: float
    lines: int
    project: str = ""
    queue: str = ""


class Launch(NamedTuple):
    """What is to run: ``argv`` starts every rank, from within the allocation.

    ``name`` is unique among all batch jobs of this account for ever, at most 60 letters, digits and dashes: by it a
    batch job is found again whose submission was cut short. ``folder`` (mode 0700, on a disk that all nodes see) is
    where a batch job starts and where its script and output go. ``options``: `Wishes.batch_options`.
    """

    name: str
    argv: tuple[str, ...]
    shape: Shape
    folder: Path
    options: tuple[str, ...] = ()


class BatchState(str, Enum):
    """What a batch system says of a batch job."""

    QUEUED = "queued"
    HELD = "held"  # it will not start before somebody does something
    RUNNING = "running"
    RESCHEDULED = "rescheduled"  # it was started, and waits to be started anew
    ENDED = "ended"  # by itself, whatever the status
    TIMED_OUT = "timed out"  # its wall time was over
    CANCELLED = "cancelled"
    FAILED = "failed"  # of the batch system, of a node
    UNKNOWN = "unknown"  # nobody knows of it, now or any more

    @property
    def over(self) -> bool:
        """Whether nothing of it can run now or later."""
        return self in _OVER


_OVER = frozenset({BatchState.ENDED, BatchState.TIMED_OUT, BatchState.CANCELLED, BatchState.FAILED})


class Status(NamedTuple):
    """How a batch job is. ``words`` are the batch system's own; ``nodes`` the names of its nodes, when it has some."""

    state: BatchState
    words: str = ""
    nodes: Sequence[str] = ()


class Submission(Protocol):
    """One way to have an allocation as a batch job, from a login or edge node. Belongs to one thread.

    Each verb may take some seconds and asks the batch system once. Each raises `JobFailed`: ALLOCATION_REJECTED when
    the batch system says no, SERVICE_NOT_AVAILABLE when it does not answer, so that nobody knows.
    """

    def submit(self, launch: Launch) -> str:
        """Submit a batch job that runs ``launch.argv`` once, in its folder; answer its number."""

    def find(self, name: str) -> Optional[str]:
        """Answer the number of the batch job of that name, also of one that is over; ``None``: there is none."""

    def status(self, number: str) -> Status:
        """Say how a batch job is."""

    def cancel(self, number: str) -> None:
        """End a batch job: its ranks hear SIGTERM first. One that is over is no failure."""


class Resource(NamedTuple):
    """What the hook ``hpc_resource`` offers of a supercomputer of its own kind.

    ``argv`` starts the program whose own argument list follows it, once per rank; empty: as ``hpc.launcher`` says.
    ``submission`` is how allocations are had; ``None``: as ``hpc.batch`` says.
    """

    argv: tuple[str, ...] = ()
    submission: Optional[Submission] = None


#: The word in a service's texts that stands for the folder of its node.
NODE = "{node}"


class NodeService(NamedTuple):
    """A program that runs once on each node beside the payloads there, such as a database of calibrations.

    In ``argv``, ``before``, ``socket`` and ``environment`` the word ``{node}`` is replaced by a folder of this node's
    own, which is removed at the end. ``before`` is run to its end first. It is ready when it greets whoever connects to
    ``socket`` (a path), or without one when ``check`` ends with status 0. ``environment`` is what payloads get of it.
    ``seconds`` is the time for all that.
    """

    name: str
    argv: tuple[str, ...]
    before: tuple[str, ...] = ()
    socket: str = ""
    check: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    seconds: float = 120.0
