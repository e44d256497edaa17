"""The pilots that live, one by one; what the factory counts of all at once is in `server.pilots.fleet`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count

from server.pilots.models import Pilot
from server.pilots.states import LIVING


def counts_by_queue() -> dict[tuple[str, str], int]:
    """Count the living pilots by queue and state."""
    rows = Pilot.objects.filter(state__in=LIVING).order_by().values_list("queue", "state").annotate(n=Count("pk"))
    return {(queue, state): n for queue, state, n in rows}


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


def pilot_of_batch(batch_id: str, queues: Collection[str] = ()) -> Pilot | None:
    """Answer the pilot of an id in its batch system, the latest one; or of its own name, submission/number.

    Batch systems may have the same ids: one of these queues comes before all others.
    """
    if not batch_id:
        return None
    rows = Pilot.objects.filter(batch_id=batch_id[:80])
    found = (rows.filter(queue__in=queues).first() if queues else None) or rows.first()
    submission, _, number = batch_id.rpartition("/")
    if found is None and submission and number.isascii() and number.isdigit() and len(number) < 10:
        # One that starts at once may speak before the factory has written where it is.
        found = Pilot.objects.filter(submission=submission, number=int(number)).first()
    return found


def ended_before(queue: str, moment: datetime, limit: int, *, not_in: Collection[str] = ()) -> list[Pilot]:
    """Answer pilots that ended before a time and whose directory is still known, oldest first; not those in systems."""
    rows = Pilot.objects.filter(queue=queue, ended_at__lt=moment).exclude(directory="")
    return list(rows.exclude(batch_system__in=not_in).order_by("ended_at")[:limit])


def queues_with_files() -> set[str]:
    """Answer the queues of pilots whose directories are still known."""
    return set(Pilot.objects.exclude(directory="").order_by().values_list("queue", flat=True).distinct())
