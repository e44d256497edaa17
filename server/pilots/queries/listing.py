"""Pilots page by page, by what is asked for: each page costs what it shows, however many there are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet

from server.pilots.models import Pilot, Worker
from server.pilots.states import PilotState
from server.pilots.words import words_of_exit

#: Pilots on one page, at most.
MOST = 1000
#: All states, as a pilot's life goes through them.
STATES = tuple(state.value for state in PilotState)


@dataclass(frozen=True)
class Wanted:
    """Which pilots are asked for; empty: all. ``since`` is when they were submitted."""

    queue: str = ""
    state: str = ""
    system: str = ""
    node: str = ""
    exit_code: int | None = None
    since: datetime | None = None
    jobless: bool = False


@dataclass(frozen=True)
class Listed:
    """A page of pilots, latest first; ``older`` and ``newer`` are the numbers to go on from, if there are more."""

    pilots: list[Pilot]
    older: int | None
    newer: int | None


def listed(wanted: Wanted, *, before: int | None = None, after: int | None = None, count: int = 100) -> Listed:
    """Answer the latest pilots of these, or those before or after the one of that number."""
    rows = _rows(wanted)
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: count + 1])
        more, page = len(found) > count, found[:count][::-1]
        return Listed(page, page[-1].pk if page else None, page[0].pk if more else None)
    found = list((rows if before is None else rows.filter(pk__lt=before)).order_by("-pk")[: count + 1])
    page = found[:count]
    return Listed(
        page, page[-1].pk if len(found) > count else None, page[0].pk if page and before is not None else None
    )


def count_states(wanted: Wanted) -> dict[str, int]:
    """Count those pilots by state, whatever state is asked for; all states are there."""
    rows = _rows(wanted, any_state=True).order_by().values_list("state").annotate(n=Count("pk"))
    return {**dict.fromkeys(STATES, 0), **dict(rows)}


def _rows(wanted: Wanted, *, any_state: bool = False) -> QuerySet[Pilot]:
    said = {
        "queue": wanted.queue,
        "state": "" if any_state else wanted.state,
        "batch_system": wanted.system,
        "node": wanted.node,
    }
    rows = Pilot.objects.filter(**{name: value for name, value in said.items() if value})
    if wanted.exit_code is not None:
        rows = rows.filter(exit_code=wanted.exit_code)
    if wanted.since is not None:
        rows = rows.filter(submitted_at__gte=wanted.since)
    return rows.filter(jobs=0) if wanted.jobless else rows


def find_pilot(number: int) -> Pilot | None:
    """Answer the pilot of a number."""
    return Pilot.objects.filter(pk=number).first() if number < 2**63 else None


def pilots_of(batch_ids: Collection[str]) -> dict[tuple[str, str], Pilot]:
    """Answer the pilots of these ids in batch systems, by id and queue; of several the latest."""
    rows = Pilot.objects.filter(batch_id__in=set(batch_ids) - {""}).order_by("pk")
    return {(pilot.batch_id, pilot.queue): pilot for pilot in rows}


def find_worker(harvester: str, number: int) -> Worker | None:
    """Answer what the pilot of a Harvester's worker has said of itself."""
    return Worker.objects.filter(harvester_id=harvester, worker_id=number).first() if number < 2**63 else None


_COLUMNS = (
    *("queue", "batch_system", "submission", "number", "batch_id", "state", "exit_code", "words", "node"),
    *("nodes", "cores", "cancelled_for"),
)
_TIMES = ("submitted_at", "started_at", "ended_at", "reported_at", "held_at", "cancelled_at")


def pilot_json(pilot: Pilot) -> dict[str, Any]:
    """Answer a pilot as programs read it; ``seconds`` are those that it ran, once it has ended."""
    times = {name: moment.isoformat() if (moment := getattr(pilot, name)) else None for name in _TIMES}
    ran = pilot.ended_at - pilot.started_at if pilot.ended_at and pilot.started_at else None
    return {
        "id": pilot.pk,
        "name": str(pilot),
        **{name: getattr(pilot, name) for name in _COLUMNS},
        "exit_words": words_of_exit(pilot.exit_code),
        "jobs": pilot.jobs,
        "reported": pilot.reported,
        **times,
        "seconds": None if ran is None else ran.total_seconds(),
    }
