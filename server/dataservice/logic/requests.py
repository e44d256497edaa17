"""What people and productions ask of storages: one request for many files, taken whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from server.dataservice.door import BATCH, batches
from server.dataservice.limits import limits
from server.dataservice.logic.files import move_replicas
from server.dataservice.models import DatasetFile, Lane, Replica, Transfer, TransferEvent, TransferRequest
from server.dataservice.states import (
    LIVING,
    THERE,
    ReplicaState,
    TransferKind,
    TransferState,
    values,
)
from server.dataservice.where import Places
from server.services.wake import wake

SUBMIT = "dataservice.submit"


class RequestRefused(ValueError):
    """A request was not taken, and nothing of it; the message names the first files and says what to do."""


@dataclass(frozen=True)
class _Order:
    """A request as it is checked and written down."""

    kind: TransferKind
    endpoint: str
    by: str
    now: datetime
    lifetime: float = 0


def request_prestage(
    files: Iterable[int], endpoint: str, lifetime: float, by: str, *, now: datetime | None = None
) -> TransferRequest:
    """Ask for files to be brought from tape to disk, and to be kept there.

    Args:
        files: Numbers of files (`DatasetFile`) that have a replica on tape at the storage.
        endpoint: The tape system's storage.
        lifetime: Seconds that they are wanted on disk after they came; pins are prolonged until then.
        by: Who asks.
        now: The time.

    Raises:
        RequestRefused: a file has no replica there, or the time is not positive.
    """
    if lifetime <= 0:
        raise RequestRefused(f"lifetime: {lifetime} s; give a time above 0")
    return _take(_Order(TransferKind.PRESTAGE, endpoint, by, now or timezone.now(), lifetime), files)


def request_archive(files: Iterable[int], endpoint: str, by: str, *, now: datetime | None = None) -> TransferRequest:
    """Ask for files to be on tape: copied to the tape system's storage unless they lie there, watched, and verified.

    Raises:
        RequestRefused: a file cannot be read anywhere, or something else is being done with it there.
    """
    return _take(_Order(TransferKind.ARCHIVE, endpoint, by, now or timezone.now()), files)


def request_replicate(files: Iterable[int], endpoint: str, by: str, *, now: datetime | None = None) -> TransferRequest:
    """Ask for files to be copied to a storage, and verified there.

    Raises:
        RequestRefused: a file cannot be read anywhere, or something else is being done with it there.
    """
    return _take(_Order(TransferKind.REPLICATE, endpoint, by, now or timezone.now()), files)


def request_delete(files: Iterable[int], endpoint: str, by: str, *, now: datetime | None = None) -> TransferRequest:
    """Ask for files to be removed from a storage.

    Raises:
        RequestRefused: a file has no replica there, or something else is being done with it there.
    """
    return _take(_Order(TransferKind.DELETE, endpoint, by, now or timezone.now()), files)


def _take(order: _Order, files: Iterable[int]) -> TransferRequest:
    numbers = sorted(set(files))
    if not numbers:
        raise RequestRefused("files: none; name at least one")
    try:
        with transaction.atomic():
            request = _write(order, numbers)
    except IntegrityError as busy:
        text = f"{order.endpoint}: somebody asked for something to be done with one of these files at the same moment"
        raise RequestRefused(f"{text}; look at its requests, and ask again") from busy
    wake(SUBMIT)
    return request


def _write(order: _Order, numbers: Sequence[int]) -> TransferRequest:
    found = _files(numbers)
    replicas = _replicas(numbers)
    _check(order, numbers, found, replicas)
    sources = _sources(order, found, replicas)
    request = TransferRequest.objects.create(
        kind=order.kind.value,
        endpoint=order.endpoint,
        lifetime=order.lifetime,
        files=len(numbers),
        by=order.by[:250],
        created=order.now,
        asked=order.now,
    )
    allowed = limits(order.kind).tries
    chosen = {number: sources.get(number, "") for number in numbers}
    lanes = {source: _lane(order, source) for source in sorted(set(chosen.values()))}
    transfers = [
        _transfer(order, request, number, source=source, lane=lanes[source], allowed=allowed)
        for number, source in chosen.items()
    ]
    made = Transfer.objects.bulk_create(transfers, batch_size=BATCH)
    TransferEvent.objects.bulk_create(
        [
            TransferEvent(transfer=one, after=TransferState.REQUESTED.value, tries=0, at=order.now, by=order.by[:250])
            for one in made
        ],
        batch_size=BATCH,
    )
    _prepare_replicas(order, found, replicas)
    return request


def _transfer(order: _Order, request: TransferRequest, file: int, *, source: str, lane: int, allowed: int) -> Transfer:
    alone = order.kind is not TransferKind.PRESTAGE
    return Transfer(
        request=request,
        file_id=file,
        kind=order.kind.value,
        endpoint=order.endpoint,
        source=source,
        lane_id=lane,
        allowed=allowed,
        created=order.now,
        since=order.now,
        due=order.now,
        busy=busy_key(file, order.endpoint) if alone else None,
    )


def _lane(order: _Order, source: str) -> int:
    """Answer the number of what goes into the same calls; a new one is written down."""
    lane, _ = Lane.objects.get_or_create(
        kind=order.kind.value, endpoint=order.endpoint, source=source, lifetime=order.lifetime
    )
    return lane.pk


def busy_key(file: int, endpoint: str) -> str:
    """Name what only one transfer may do at a time: to write or to remove a file at a storage."""
    return f"{file}@{endpoint}"


def _files(numbers: Sequence[int]) -> dict[int, DatasetFile]:
    found: dict[int, DatasetFile] = {}
    for batch in batches(numbers):
        found.update({row.pk: row for row in DatasetFile.objects.filter(pk__in=batch).select_related("dataset")})
    return found


def _replicas(numbers: Sequence[int]) -> dict[int, list[Replica]]:
    found: dict[int, list[Replica]] = {}
    for batch in batches(numbers):
        for row in Replica.objects.select_for_update().filter(file_id__in=batch).order_by("pk"):
            found.setdefault(row.file_id, []).append(row)
    return found


def _check(
    order: _Order, numbers: Sequence[int], found: Mapping[int, DatasetFile], replicas: Mapping[int, list[Replica]]
) -> None:
    if missing := [number for number in numbers if number not in found]:
        raise RequestRefused(f"files: there is no file {_some(missing)}; register it first")
    names = {number: found[number].lfn for number in numbers}
    if order.endpoint not in Places():
        raise RequestRefused(f"endpoint: {order.endpoint!r} is not known here; the admin's page Storages lists them")
    if order.kind in (TransferKind.PRESTAGE, TransferKind.DELETE):
        states = values(THERE) + ([ReplicaState.LOST.value] if order.kind is TransferKind.DELETE else [])
        bad = [
            n
            for n in numbers
            if not any(r.endpoint == order.endpoint and r.state in states for r in replicas.get(n, []))
        ]
        if bad:
            raise RequestRefused(f"{order.endpoint}: it has no replica of {_some(names[n] for n in bad)}")
    living = Transfer.objects.filter(endpoint=order.endpoint, state__in=values(LIVING))
    if order.kind is TransferKind.PRESTAGE:
        living = living.filter(kind=TransferKind.DELETE)
    elif order.kind is not TransferKind.DELETE:
        living = living.exclude(kind=TransferKind.PRESTAGE)
    busy = [n for batch in batches(numbers) for n in living.filter(file_id__in=batch).values_list("file_id", flat=True)]
    if busy:
        text = f"{order.endpoint}: something is being done there with {_some(names[n] for n in busy)}"
        raise RequestRefused(f"{text}; wait until that request has ended, release it, or give it up")


def _some(things: Iterable[object]) -> str:
    """Name the first of many."""
    named = [str(thing) for thing in things]
    return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")


def _sources(order: _Order, found: Mapping[int, DatasetFile], replicas: Mapping[int, list[Replica]]) -> dict[int, str]:
    """Choose where each copy comes from: a replica that can be read; none when it lies at the target already."""
    if order.kind not in (TransferKind.ARCHIVE, TransferKind.REPLICATE):
        return {}
    chosen: dict[int, str] = {}
    for number in found:
        readable = [one.endpoint for one in replicas.get(number, []) if one.state == ReplicaState.AVAILABLE]
        at_target = any(
            one.endpoint == order.endpoint and one.state in values(THERE) for one in replicas.get(number, [])
        )
        if at_target:
            continue
        if not readable:
            raise RequestRefused(f"{found[number].lfn}: no storage has a replica that can be read; prestage it first")
        chosen[number] = readable[0]
    return chosen


def _prepare_replicas(order: _Order, found: Mapping[int, DatasetFile], replicas: Mapping[int, list[Replica]]) -> None:
    """Write down the replicas that copies will make, or those that are on their way out."""
    if order.kind is TransferKind.DELETE:
        move_replicas(found, order.endpoint, ReplicaState.REMOVING, now=order.now, only=THERE)
        return
    if order.kind is TransferKind.PRESTAGE:
        return
    places = Places()
    there = {one.file_id: one for rows in replicas.values() for one in rows if one.endpoint == order.endpoint}
    again = [one.pk for one in there.values() if one.state not in values(THERE)]
    for batch in batches(again):
        Replica.objects.filter(pk__in=batch).update(state=ReplicaState.COPYING.value)
    new = [file for number, file in found.items() if number not in there]
    Replica.objects.bulk_create(
        [
            Replica(
                file=file,
                endpoint=order.endpoint,
                state=ReplicaState.COPYING.value,
                path=places.path(order.endpoint, lfn=file.lfn, scope=file.dataset.scope, dataset=file.dataset.name),
            )
            for file in new
        ],
        batch_size=BATCH,
    )
