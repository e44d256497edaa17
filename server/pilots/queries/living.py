"""The pilots that live, and how the last ones ended: what the factory decides by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Q

from server.pilots.models import Pilot
from server.pilots.states import LIVING, WAITING, PilotState


@dataclass(frozen=True)
class Counts:
    """Pilots of one queue that live: those without a slot, those that run, and how many of these had no job yet."""

    waiting: int = 0
    running: int = 0
    jobless: int = 0


@dataclass(frozen=True)
class End:
    """How a pilot ended; ``seconds`` it ran, none when it never did."""

    exit_code: int | None
    seconds: float | None
    at: datetime


def counts(queue: str, *, started_after: datetime) -> Counts:
    """Count a queue's living pilots; the jobless are those that started later than the given time."""
    running = Q(state=PilotState.RUNNING)
    found = Pilot.objects.filter(queue=queue, state__in=LIVING).aggregate(
        waiting=Count("pk", filter=Q(state__in=WAITING)),
        running=Count("pk", filter=running),
        jobless=Count("pk", filter=running & Q(jobs=0, started_at__gt=started_after)),
    )
    return Counts(**found)


def counts_by_queue() -> dict[tuple[str, str], int]:
    """Count the living pilots by queue and state."""
    rows = Pilot.objects.filter(state__in=LIVING).order_by().values_list("queue", "state").annotate(n=Count("pk"))
    return {(queue, state): n for queue, state, n in rows}


def living(queue: str) -> list[Pilot]:
    """Answer the living pilots of a queue, oldest first."""
    return list(Pilot.objects.filter(queue=queue, state__in=LIVING).order_by("pk"))


class LivingPilot(NamedTuple):
    """What the batch system is asked for, and what is compared with its answer."""

    pk: int
    queue: str
    batch_id: str
    state: str
    started_at: datetime | None
    node: str


def living_in(system: str) -> list[LivingPilot]:
    """Answer all living pilots that a batch system has, of all queues, oldest first."""
    rows = Pilot.objects.filter(batch_system=system, state__in=LIVING).exclude(batch_id="").order_by("pk")
    return [LivingPilot(*row) for row in rows.values_list(*LivingPilot._fields)]


def pilot_of_batch(batch_id: str) -> Pilot | None:
    """Answer the pilot of an id in its batch system, the latest one; or of its own name, submission/number."""
    if not batch_id:
        return None
    found = Pilot.objects.filter(batch_id=batch_id[:80]).first()
    submission, _, number = batch_id.rpartition("/")
    if found is None and submission and number.isascii() and number.isdigit() and len(number) < 10:
        # One that starts at once may speak before the factory has written where it is.
        found = Pilot.objects.filter(submission=submission, number=int(number)).first()
    return found


def unconfirmed(queue: str) -> list[str]:
    """Answer the submissions of which nobody knows yet what the batch system has."""
    rows = Pilot.objects.filter(queue=queue, state=PilotState.SUBMITTED, batch_id="")
    return sorted(set(rows.values_list("submission", flat=True)))


def last_ends(queue: str, count: int) -> list[End]:
    """Answer how the last pilots of a queue ended, latest first."""
    rows = Pilot.objects.filter(queue=queue, ended_at__isnull=False).order_by("-ended_at", "-pk")
    return [
        End(code, None if start is None else (end - start).total_seconds(), end)
        for code, start, end in rows.values_list("exit_code", "started_at", "ended_at")[:count]
        if end is not None
    ]


def last_submission(queue: str) -> datetime | None:
    """Answer when a pilot was last ordered for a queue."""
    return Pilot.objects.filter(queue=queue).order_by("-pk").values_list("submitted_at", flat=True).first()


def ended_before(queue: str, moment: datetime, limit: int) -> list[Pilot]:
    """Answer pilots that ended before a time and whose directory is still known, oldest first."""
    rows = Pilot.objects.filter(queue=queue, ended_at__lt=moment).exclude(directory="")
    return list(rows.order_by("ended_at")[:limit])
