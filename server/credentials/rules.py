"""Who may have a credential: a pure function of caller and credential, and of jobs that the caller's pilots have."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Asker:
    """Who asks: the name of its token, and the queues that it is for; none: all."""

    name: str
    queues: frozenset[str] = frozenset()


class Wanted(Protocol):
    """What of a credential decides who may have it."""

    name: str
    queues: Collection[str]
    person: str
    working_group: str
    ends_at: datetime | None


#: Answers the number of a job that pilots of these queues (none: any) have now, of this person and working group.
FindJob = Callable[[Collection[str], str, str], int | None]


@dataclass(frozen=True)
class Decision:
    """Whether a credential is given: "" or why not; and the job because of which it is, if it takes one."""

    objection: str = ""
    job: int | None = None


def decide(wanted: Wanted, asker: Asker, find_job: FindJob, now: datetime) -> Decision:
    """Decide whether somebody may have a credential now."""
    queues = frozenset(wanted.queues)
    if queues and asker.queues and not queues & asker.queues:
        return Decision(f"{wanted.name} is not for pilots of {', '.join(sorted(asker.queues))}")
    if wanted.ends_at is not None and wanted.ends_at <= now:
        return Decision(f"{wanted.name} ended at {wanted.ends_at:%Y-%m-%d %H:%M} UTC, and was not renewed")
    if not wanted.person and not wanted.working_group:
        return Decision()
    where = queues & asker.queues if queues and asker.queues else queues or asker.queues
    job = find_job(where, wanted.person, wanted.working_group)
    if job is None:
        whose = [f"of {wanted.person}"] * bool(wanted.person)
        whose += [f"of the working group {wanted.working_group}"] * bool(wanted.working_group)
        return Decision(f"{wanted.name} is for pilots that have a job {' and '.join(whose)}, and there is none")
    return Decision(job=job)
