"""What the task buffer is asked, and what it has read of a job when it decides."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from pilot.contract.messages import JobUpdate
from pilot.contract.states import JobState

#: What users' jobs may be called; the first one when they are called nothing, or what a production's are.
USERS_LABELS = ("user", "panda", "test")


def owner_of(label: str, user: str) -> str:
    """Answer whose files a job writes: its user's, or "" for those of the productions, whoever has defined these."""
    return user if label in USERS_LABELS else ""


@dataclass(frozen=True)
class ClaimOrder:
    """One request for work, after brokerage: from these buckets, so many jobs, for this pilot.

    ``request_id`` names the request; the same one again gets the same jobs again. ``repeatable`` is false when the
    pilot did not name its request, and the id was made up here. ``batch_id`` is the pilot's in its batch system.
    """

    buckets: tuple[int, ...]
    request_id: str
    queue: str
    repeatable: bool = True
    count: int = 1
    node: str = ""
    batch_id: str = ""
    task_id: int | None = None
    by: str = "dispatcher"


@dataclass(frozen=True)
class Progress:
    """Events done and events ordered of a running job; ``total`` is ``None`` when nobody knows."""

    done: int
    total: int | None = None


class Report(NamedTuple):
    """A pilot's report on a job, and its events if it told of them."""

    update: JobUpdate
    progress: Progress | None = None


class OtherQueue(Exception):
    """A report would change a job of a queue that its sender does not speak for; the text says which."""


@dataclass(frozen=True)
class Standing:
    """A job as it was read at the begin of a transaction."""

    job_id: int
    state: JobState
    attempt: int
    max_attempts: int
    bucket: int
    priority: int
    command: str
    taskbuffer_error: int
    queue: str = ""

    def refuse_others(self, queues: Collection[str]) -> None:
        """Refuse who speaks for other queues only; none means for all.

        Raises:
            OtherQueue: it is so.
        """
        if queues and self.queue not in queues:
            raise OtherQueue(f"job {self.job_id} is of the queue {self.queue}, not of {', '.join(sorted(queues))}")

    @property
    def attempts_left(self) -> bool:
        return self.attempt < self.max_attempts


@dataclass(frozen=True)
class Errors:
    """Why the server itself ends or repeats a job: numbers of `pilot.contract.server_codes`, and words."""

    dispatcher: int = 0
    taskbuffer: int = 0
    data: int = 0
    words: str = ""
