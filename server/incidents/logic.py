"""All that writes incidents: what was seen, what people say of them, and what is forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Model, QuerySet
from django.utils import timezone

from server.incidents.models import Incident, IncidentCount
from server.incidents.queries import slot_of
from server.incidents.sighting import Sighting, digest
from server.incidents.states import MOVES, State
from server.lib.transactions import whole

#: Incidents of one logger; what more there are count as one. Words that a caller makes up fill no table.
MOST_OF_A_LOGGER = 300
#: A sample is written anew at most so often.
COARSE = timedelta(minutes=10)
#: Rows that are deleted at once.
AT_ONCE = 2000


class IncidentRefused(ValueError):
    """An incident cannot be moved so; the text says why, and what to do."""


@whole
def record(sightings: Iterable[Sighting], *, host: str, process: str) -> None:
    """Write down what was seen, all or nothing; a resolved incident that comes again is new."""
    for one in sorted(sightings, key=lambda one: one.fingerprint):  # others take the same rows in the same order
        _record(one, host, process)


def _record(one: Sighting, host: str, process: str) -> None:
    incident = _find(one, host, process)
    fresh = {"host": host, "process": process, "about": dict(one.about), "sample": one.sample}
    is_old = incident.last_seen <= one.latest - COARSE or incident.state == State.RESOLVED or not incident.count
    Incident.objects.filter(pk=incident.pk).update(
        count=F("count") + one.times,
        **({"last_seen": one.latest} if one.latest > incident.last_seen else {}),
        **({"first_seen": one.first} if one.first < incident.first_seen else {}),
        **(fresh if is_old else {}),
    )
    _count(incident, slot_of(one.first), one.times)
    # What was on its way when somebody resolved it is no reason to look at it again.
    again = Incident.objects.filter(pk=incident.pk, state=State.RESOLVED, moved_at__lt=one.latest)
    again.update(state=State.NEW, reopened=F("reopened") + 1, moved_at=one.latest, by="")


def _find(one: Sighting, host: str, process: str) -> Incident:
    fingerprint = one.fingerprint
    found = Incident.objects.filter(fingerprint=fingerprint).first()
    if found is not None:
        return found
    words, exception, place = one.words, one.exception, one.place
    if Incident.objects.filter(logger=one.logger).count() >= MOST_OF_A_LOGGER:
        words, exception, place = f"other records of {one.logger}", "", ""
        fingerprint = digest(one.logger, words, "", "")
    found, _ = Incident.objects.get_or_create(
        fingerprint=fingerprint,
        defaults={
            **{"app": one.app, "logger": one.logger, "level": one.level, "words": words, "exception": exception},
            **{"place": place, "first_seen": one.first, "last_seen": one.latest, "host": host, "process": process},
        },
    )
    return found


def _count(incident: Incident, slot: datetime, times: int) -> None:
    rows = IncidentCount.objects.filter(incident=incident, slot=slot)
    if rows.update(count=F("count") + times):
        return
    try:
        with transaction.atomic():
            IncidentCount.objects.create(incident=incident, slot=slot, count=times)
    except IntegrityError:  # another process was faster
        rows.update(count=F("count") + times)


def move(incident: Incident, after: State, *, by: str, note: str | None = None, now: datetime | None = None) -> None:
    """Move an incident, as it was read, and note why.

    Args:
        incident: As the person has seen it.
        after: The state that it gets; the same again changes the note alone.
        by: The person.
        note: What is known of it; what stood there stays when left out.
        now: When; the present when left out.

    Raises:
        IncidentRefused: somebody else has moved it meanwhile, or there is no such move.
    """
    before = State(incident.state)
    if after is not before and (before, after) not in MOVES:
        raise IncidentRefused(f"state: from {before.label} none becomes {after.label}")
    changes = {"state": after, "by": by[:150], "moved_at": timezone.now() if now is None else now}
    if note is not None:
        changes["note"] = note[:4000]
    if not Incident.objects.filter(pk=incident.pk, state=before).update(**changes):
        text = "somebody has moved it meanwhile, or it came again; look at it once more"
        raise IncidentRefused(f"state: it is {before.label} no more: {text}")
    for name, value in changes.items():
        setattr(incident, name, value)


def prune(now: datetime, *, days: int, keep: Callable[[], None] = lambda: None) -> dict[str, int]:
    """Forget counts older than so many days, and incidents that were not seen since; answer how many of each."""
    oldest = now - timedelta(days=days)
    counts = _delete(IncidentCount.objects.filter(slot__lt=oldest), keep)
    return {"counts": counts, "incidents": _delete(Incident.objects.filter(last_seen__lt=oldest), keep)}


def _delete(rows: QuerySet[Model], keep: Callable[[], None]) -> int:
    deleted = 0
    while keys := list(rows.order_by().values_list("pk", flat=True)[:AT_ONCE]):
        rows.model._default_manager.filter(pk__in=keys).delete()
        deleted += len(keys)
        keep()
    return deleted


def is_incident(record: logging.LogRecord, least: int) -> bool:
    """Say whether a record belongs into the incident log: severe enough, or a warning that brings an exception."""
    return record.levelno >= least or (record.levelno >= logging.WARNING and record.exc_info is not None)
