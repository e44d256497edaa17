"""Pilots from their order to their jobs: rows are written before pilots are submitted, and say where these are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F

from server.pilots.logic.sightings import Sighting, observe_many
from server.pilots.models import Pilot
from server.pilots.states import LIVING, PilotState


@dataclass(frozen=True)
class Place:
    """Where a pilot is found: its id in the batch system, and the directory of its logs."""

    batch_id: str
    directory: str = ""


def order(
    queue: str,
    batch_system: str,
    submission: str,
    count: int,
    *,
    now: datetime,
    nodes: int = 1,
    cores: int = 1,
    allocation: str = "",
) -> list[Pilot]:
    """Write the rows of pilots that are about to be submitted; ``cores`` are those of all ``nodes`` of one.

    Raises:
        IntegrityError: the submission's name was used before.
    """
    asked = {"nodes": nodes, "cores": cores, "allocation": allocation}
    rows = [
        Pilot(queue=queue, batch_system=batch_system, submission=submission, number=number, submitted_at=now, **asked)
        for number in range(count)
    ]
    with transaction.atomic():
        return Pilot.objects.bulk_create(rows)


_PLACE = "UPDATE pilots_pilot SET state = %s, batch_id = %s, directory = %s WHERE id = %s"


def confirm(submission: str, places: Mapping[int, Place], *, now: datetime, missing: str) -> int:
    """Write where the pilots of a submission are; those that the batch system does not have are lost.

    Args:
        submission: Its name.
        places: Number of the pilot -> where it is.
        now: The time.
        missing: Why a pilot may not be there.

    Returns:
        How many were confirmed.
    """
    with transaction.atomic():
        waiting = Pilot.objects.select_for_update().filter(submission=submission, state=PilotState.SUBMITTED)
        rows = list(waiting.filter(batch_id=""))
        lost = Sighting(PilotState.LOST, ended=now, words=missing)
        observe_many([(pilot, lost) for pilot in rows if pilot.number not in places], now=now)
        found = [(places[pilot.number], pilot.pk) for pilot in rows if pilot.number in places]
        if found:
            with connection.cursor() as cursor:
                queued = PilotState.QUEUED.value
                cursor.executemany(_PLACE, [(queued, at.batch_id, at.directory[:500], pk) for at, pk in found])
    return len(found)


def note_held(pilots: Collection[int], *, now: datetime) -> None:
    """Note since when these pilots, by their rows' numbers, are known to be held."""
    Pilot.objects.filter(pk__in=pilots, held_at=None).update(held_at=now)


def note_cancelled(pilots: Collection[int], why: str, *, now: datetime) -> None:
    """Note that the factory tells these pilots to end, and why; their ends are then no fault of their nodes."""
    Pilot.objects.filter(pk__in=pilots, state__in=LIVING).update(cancelled_at=now, cancelled_for=why[:500])


def note_reprieved(pilots: Collection[int]) -> None:
    """Note that these pilots were told to end and run after all."""
    Pilot.objects.filter(pk__in=pilots).update(cancelled_at=None, cancelled_for="", held_at=None)


def took_jobs(batch_id: str, queue: str, request_id: str, count: int) -> None:
    """Note that a pilot of a queue was given jobs; the same request again is not counted again.

    A pilot makes its requests one after the other. An id that no pilot of ours has there is passed over, without a
    write: batch systems may have the same ids, and nobody speaks for pilots of other queues.
    """
    pilot = Pilot.objects.filter(batch_id=batch_id, queue=queue).first() if batch_id else None
    if pilot is not None:
        others = Pilot.objects.filter(pk=pilot.pk).exclude(last_request=request_id)
        others.update(jobs=F("jobs") + count, last_request=request_id)


def forget_files(pilots: Iterable[Pilot]) -> None:
    """Note that the directories of these pilots have been removed."""
    Pilot.objects.filter(pk__in=[pilot.pk for pilot in pilots]).update(directory="")
