"""What is said between the threads: news to the conductor, work from it. Values only."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Optional, Union

from pilot.api.communicator import Report
from pilot.api.replies import BrokenJob
from pilot.contract.job import FileSpec, JobSpec
from pilot.contract.messages import StoredFile
from pilot.contract.named import NamedTuple
from pilot.contract.queue import QueueData, StorageEndpoint
from pilot.control.commands import Commands
from pilot.control.journal import Record
from pilot.control.lifecycle import Effect, Event
from pilot.job import Job, PayloadOutcome, Problem, Usage

Key = tuple[int, int]  # (job, attempt)


class Site(NamedTuple):
    """What the server says of the queue and of the storages, as it was when the job came."""

    queue: QueueData
    storages: Mapping[str, StorageEndpoint] = MappingProxyType({})


class Answer(NamedTuple):
    """A component has done, or not done, what it was asked for at this step of the job."""

    key: Key
    step: int
    event: Event
    problem: Optional[Problem] = None
    outcome: Optional[PayloadOutcome] = None
    metrics: Optional[Mapping[str, Any]] = None
    outputs: Optional[tuple[FileSpec, ...]] = None  # in the place of those that were ordered


class Order(NamedTuple):
    """Somebody wants a job ended, whatever it does. No key: every job."""

    key: Optional[Key]
    event: Event
    problem: Problem


class Stored(NamedTuple):
    """One output or log lies on its storage."""

    key: Key
    file: StoredFile


class Progress(NamedTuple):
    """Events done, and of how many (``None``: nobody knows); no numbers when the payload tells none.

    ``lines`` are the last ones of its output; ``fetched`` says how many inputs, and bytes of them, have arrived.
    """

    key: Key
    done: Optional[int] = None
    total: Optional[int] = None
    lines: str = ""
    fetched: Optional[tuple[int, int]] = None


class Shown(NamedTuple):
    """What the server wanted to see of a job, and the command that this answers."""

    key: Key
    text: str
    argv: tuple[str, ...] = ()


class Commanded(NamedTuple):
    """What the server wants besides the end of a job."""

    key: Key
    commands: Commands


class Transferred(NamedTuple):
    """All tries so far to copy a job's files; see `pilot.control.transfers`."""

    key: Key
    tries: Sequence[Mapping[str, Any]]


class Measured(NamedTuple):
    """What a payload has used so far, and further figures of its job; go with the next reports."""

    key: Key
    usage: Optional[Usage] = None
    metrics: Mapping[str, Any] = MappingProxyType({})

    def onto(self, job: Job) -> Job:
        """Answer a job that knows them."""
        return job.evolve(usage=self.usage or job.usage, metrics={**job.metrics, **self.metrics})


class Sign(NamedTuple):
    """Whoever started the pilot wants a sign of life: that this file is touched, by the conductor itself."""

    path: Path

    def give(self) -> None:
        """Touch the file."""
        with contextlib.suppress(OSError):  # then there is none, which is looked at where it was wanted
            self.path.touch()


class Heard(NamedTuple):
    """The server has taken a report that was not the final one."""

    key: Key


class Offer(NamedTuple):
    """The server's answer to a request for work: jobs, perhaps none."""

    request_id: str
    site: Site
    jobs: tuple[JobSpec, ...] = ()
    broken: tuple[BrokenJob, ...] = ()


class NoOffer(NamedTuple):
    """A request for work came to nothing. ``fatal``: asking again is of no use."""

    problem: Problem
    fatal: bool = False


class Matter(str, Enum):
    """What falls due at a time set before."""

    ASK = "ask"
    HEARTBEAT = "heartbeat"
    CHECK = "check"
    SHOW = "show"  # what people ask to see
    GIVE_UP = "give up"  # a final report that is not taken


class Due(NamedTuple):
    """A time set before has come."""

    matter: Matter
    key: Optional[Key] = None


class Shutdown(NamedTuple):
    """The pilot is to end within so many seconds; its jobs get this problem."""

    problem: Problem
    seconds: float


class Adopt(NamedTuple):
    """A dead pilot's job lies in this pilot's folder now, as its record says, and goes on with this event."""

    job: Job
    record: Record
    site: Site
    event: Event
    problem: Optional[Problem] = None

    @property
    def key(self) -> Key:
        """(job, attempt)."""
        return self.job.key


class Settled(NamedTuple):
    """What dead pilots have left was seen to, as far as it can be now; so many of their jobs are left."""

    left: int = 0


class TaskOrder(NamedTuple):
    """Somebody wants the jobs of a task ended, or that one of them, as far as this pilot has them."""

    task_id: int
    job_id: Optional[int]
    event: Event
    problem: Problem

    def concerns(self, spec: JobSpec) -> bool:
        """Whether it is for this job."""
        return spec.task_id == self.task_id and self.job_id in (None, spec.id)


class Called(NamedTuple):
    """A message says that there is work for whoever asks."""


class Listening(NamedTuple):
    """Messages come, or come no more."""

    listens: bool


News = Union[
    Answer,
    Order,
    TaskOrder,
    Called,
    Listening,
    Stored,
    Progress,
    Measured,
    Transferred,
    Shown,
    Commanded,
    Sign,
    Heard,
    Offer,
    NoOffer,
    Due,
    Shutdown,
    Adopt,
    Settled,
]


class Work(NamedTuple):
    """What the conductor asks of a component: do this, for the job as it now is.

    ``seconds`` is the time given. ``report`` goes with REPORT and FINAL_REPORT, ``answers`` with REPORT: it holds what
    people asked to see. ``keep`` goes with CLEAN: the directory is to be left.
    """

    job: Job
    effect: Effect
    site: Site
    seconds: float = 0.0
    report: Optional[Report] = None
    keep: bool = False
    answers: bool = False

    @property
    def key(self) -> Key:
        """(job, attempt)."""
        return self.job.key

    def answer(self, event: Event, problem: Optional[Problem] = None, **more: Any) -> Answer:
        """Answer this work."""
        return Answer(self.key, self.job.step, event, problem, **more)


class Look(NamedTuple):
    """The monitor is to look at a job: at its progress, at what may end it, or at what a debug command is to show."""

    job: Job
    matter: Matter
    site: Site
    argv: tuple[str, ...] = ()


class Follow(NamedTuple):
    """A job has changed its phase or its debug mode; its lines may have to go to a log service, or not any more."""

    job: Job
    site: Site
    debug: bool = False


class Opening(NamedTuple):
    """What there is room for: so many jobs, and what is free for them (``None``: not counted).

    ``memory`` and ``disk`` are bytes; ``seconds`` is how long it stays free, and it may be so only ``after`` seconds.
    """

    jobs: int
    cores: Optional[int] = None
    memory: Optional[int] = None
    disk: Optional[int] = None
    seconds: float = float("inf")
    after: float = 0.0


class Ask(NamedTuple):
    """The job control is to ask for so much work under this request id; for work of one task, if one is named.

    ``called``: because a message said that there is some.
    """

    request_id: str
    opening: Opening = Opening(1)
    task_id: Optional[int] = None
    called: bool = False
