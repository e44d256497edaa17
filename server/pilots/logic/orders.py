"""Pilots from their order to their jobs: rows are written before pilots are submitted, and say where these are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from server.lib.moves import move
from server.pilots.logic.sightings import Sighting, observe
from server.pilots.models import Pilot
from server.pilots.states import MOVES, PilotState


@dataclass(frozen=True)
class Place:
    """Where a pilot is found: its id in the batch system, and the directory of its logs."""

    batch_id: str
    directory: str = ""


def order(queue: str, batch_system: str, submission: str, count: int, *, now: datetime) -> list[Pilot]:
    """Write the rows of pilots that are about to be submitted.

    Raises:
        IntegrityError: the submission's name was used before.
    """
    rows = [
        Pilot(queue=queue, batch_system=batch_system, submission=submission, number=number, submitted_at=now)
        for number in range(count)
    ]
    with transaction.atomic():
        return Pilot.objects.bulk_create(rows)


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
    confirmed = 0
    with transaction.atomic():
        for pilot in Pilot.objects.filter(submission=submission, state=PilotState.SUBMITTED, batch_id=""):
            place = places.get(pilot.number)
            if place is None:
                observe(pilot, Sighting(PilotState.LOST, ended=now, words=missing), now=now)
                continue
            same = Pilot.objects.filter(pk=pilot.pk)
            move(
                same,
                PilotState.SUBMITTED,
                PilotState.QUEUED,
                moves=MOVES,
                batch_id=place.batch_id,
                directory=place.directory[:500],
            )
            confirmed += 1
    return confirmed


def took_jobs(batch_id: str, request_id: str, count: int) -> None:
    """Note that a pilot was given jobs; the same request again is not counted again.

    A pilot makes its requests one after the other. An id that no pilot of ours has is passed over, without a write.
    """
    pilot = Pilot.objects.filter(batch_id=batch_id).first() if batch_id else None
    if pilot is not None:
        others = Pilot.objects.filter(pk=pilot.pk).exclude(last_request=request_id)
        others.update(jobs=F("jobs") + count, last_request=request_id)


def forget_files(pilots: Iterable[Pilot]) -> None:
    """Note that the directories of these pilots have been removed."""
    Pilot.objects.filter(pk__in=[pilot.pk for pilot in pilots]).update(directory="")
