"""What a batch system is asked and what it answers: values, and the class that each system implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import ClassVar


class BatchState(str, Enum):
    """What a batch system says of one of its jobs."""

    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"
    DONE = "done"
    LOST = "lost"


@dataclass(frozen=True)
class Template:
    """What is started, ``count`` times alike.

    ``key`` names one submission for ever: after a crash in the middle of it the jobs are found again by it.
    ``argv`` and ``environment`` are all that the job gets; both can be read by others, so no secret belongs there.
    ``grace`` is the time between the order to stop and the end of what did not, in seconds.
    """

    key: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    grace: float = 60.0


@dataclass(frozen=True)
class BatchJob:
    """One job as its batch system sees it. ``exit_status`` is 128 + n when signal n ended it; none while unknown."""

    state: BatchState
    exit_status: int | None = None
    started: datetime | None = None
    ended: datetime | None = None
    words: str = ""


class BatchFailed(Exception):
    """The batch system could not do it; nothing is known of what it did before."""


class BatchSystem(ABC):
    """Starts the same thing many times, says how each is, and ends those that are not wanted any longer.

    Each job finds its id in ``COMPASS_BATCH_ID`` and its own directory in ``COMPASS_BATCH_DIRECTORY``. The id is in
    ``PANDA_JSID`` too: pilots name it when they ask for work, which tells the server which of them got a job.
    """

    name: ClassVar[str]

    @abstractmethod
    def submit(self, template: Template, count: int) -> tuple[str, ...]:
        """Submit ``count`` jobs; answer their ids, in order of their numbers 0 .. count - 1.

        Raises:
            BatchFailed: the key was used before, or the system refuses; look with `find` for what it took.
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

        Raises:
            BatchFailed: the system does not answer; nothing may be concluded.
        """

    @abstractmethod
    def cancel(self, ids: Collection[str]) -> None:
        """Order jobs to stop, without waiting. Repeated after their grace it ends what has not stopped.

        Raises:
            BatchFailed: the system does not answer.
        """

    @abstractmethod
    def directory(self, job: str) -> Path:
        """Answer where the files ``stdout`` and ``stderr`` of a job lie."""

    @abstractmethod
    def forget(self, ids: Collection[str]) -> None:
        """Remove the files of jobs that have ended; those of others stay."""
