"""Reading all pilots at once, for the factory: some statements for all queues, however many pilots there are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Q, Sum

from server.pilots.models import Pilot
from server.pilots.states import LIVING, WAITING, PilotState


@dataclass
class Fleet:
    """The living pilots of one queue: how many wait, run, and were told to end; nodes, and cores on their way."""

    waiting: int = 0
    running: int = 0
    retiring: int = 0
    jobless: int = 0
    nodes: int = 0
    on_the_way_cores: int = 0


@dataclass
class Fleets:
    """The living pilots by queue, and how many each batch system has."""

    queues: dict[str, Fleet]
    systems: dict[str, int]


def fleets(*, started_after: datetime) -> Fleets:
    """Count the living pilots; the jobless are those that started later than the given time."""
    living = Pilot.objects.filter(state__in=LIVING).order_by()
    found = Fleets({}, {})
    counted = living.values_list("batch_system", "queue", "state").annotate(
        n=Count("pk"), all_nodes=Sum("nodes"), all_cores=Sum("cores"), told=Count("cancelled_at")
    )
    for system, queue, state, n, nodes, cores, told in counted:
        fleet = found.queues.setdefault(queue, Fleet())
        found.systems[system] = found.systems.get(system, 0) + n
        fleet.nodes += nodes
        fleet.retiring += told
        if state in WAITING:
            fleet.waiting += n
            fleet.on_the_way_cores += cores
        else:
            fleet.running += n
    starting = living.filter(state=PilotState.RUNNING, jobs=0, started_at__gt=started_after)
    for queue, n, cores in starting.values_list("queue").annotate(n=Count("pk"), all_cores=Sum("cores")):
        found.queues[queue].jobless = n
        found.queues[queue].on_the_way_cores += cores
    return found


def homes() -> dict[str, set[str]]:
    """Answer of which queues each batch system has living pilots."""
    found: dict[str, set[str]] = {}
    rows = Pilot.objects.filter(state__in=LIVING).order_by().values_list("batch_system", "queue").distinct()
    for system, queue in rows:
        found.setdefault(system, set()).add(queue)
    return found


class Unconfirmed(NamedTuple):
    """A submission of which nobody knows yet what the batch system has."""

    batch_system: str
    queue: str
    submission: str
    submitted_at: datetime


def unconfirmed() -> list[Unconfirmed]:
    """Answer all of them, oldest first."""
    rows = Pilot.objects.filter(state=PilotState.SUBMITTED, batch_id="").order_by("submitted_at", "submission")
    return [Unconfirmed(*row) for row in rows.values_list(*Unconfirmed._fields).distinct()]


class Troubled(NamedTuple):
    """A living pilot that may have to be ended, or was told to."""

    pk: int
    queue: str
    batch_system: str
    batch_id: str
    state: str
    words: str
    submitted_at: datetime
    held_at: datetime | None
    cancelled_at: datetime | None
    cancelled_for: str


def troubled(*, submitted_before: datetime, not_of: Collection[str]) -> list[Troubled]:
    """Answer the pilots that are held, were told to end, or wait since a time; and those that wait for other queues."""
    rows = Pilot.objects.filter(state__in=LIVING).exclude(batch_id="").order_by()
    waiting = Q(state__in=WAITING)
    old = waiting & Q(submitted_at__lt=submitted_before)
    found = rows.filter(Q(state=PilotState.HELD) | Q(cancelled_at__isnull=False) | old)
    others = {queue for queues in homes().values() for queue in queues} - set(not_of)
    if others:
        found = found | rows.filter(waiting & Q(queue__in=others))
    return [Troubled(*row) for row in found.values_list(*Troubled._fields)]


def newest_waiting(queue: str, batch_system: str, count: int) -> list[tuple[int, str]]:
    """Answer (row, id) of the pilots that were submitted last of those that wait and were not told to end."""
    rows = Pilot.objects.filter(queue=queue, batch_system=batch_system, state__in=WAITING, cancelled_at=None)
    return list(rows.exclude(batch_id="").order_by("-pk").values_list("pk", "batch_id")[:count])


class Ended(NamedTuple):
    """How a pilot ended that nobody had told to end; ``seconds`` it ran, none when it never did."""

    exit_code: int | None
    seconds: float | None
    at: datetime


def last_ends(queue: str, count: int) -> list[Ended]:
    """Answer how the last pilots of a queue ended, latest first.

    Without those that the factory has cancelled, and those that no batch system ever took: no node has seen them.
    """
    rows = Pilot.objects.filter(queue=queue, ended_at__isnull=False, cancelled_at=None).exclude(batch_id="")
    return [
        Ended(code, None if start is None else (end - start).total_seconds(), end)
        for code, start, end in rows.order_by("-ended_at", "-pk").values_list("exit_code", "started_at", "ended_at")[
            :count
        ]
        if end is not None
    ]


def ended_since(batch_system: str, moment: datetime) -> dict[str, list[str]]:
    """Answer the ids of a system's pilots that ended since a time and whose files are still known, by queue."""
    rows = Pilot.objects.filter(counted__in=(False, True), ended_at__gte=moment, batch_system=batch_system)
    found: dict[str, list[str]] = {}
    for queue, job in rows.exclude(batch_id="").exclude(directory="").order_by("pk").values_list("queue", "batch_id"):
        found.setdefault(queue, []).append(job)
    return found
