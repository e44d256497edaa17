"""Everything that writes pilots: the factory orders and confirms them, batch systems and pilots say how they are.

Pilots that are workers of a Harvester say so, too, and what their nodes are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import F

from pilot.contract.codec import ContractError, Dialect, shown
from pilot.contract.worker import WorkerGpus, WorkerNode, WorkerStatus
from server.lib.moves import move
from server.pilots.models import Node, NodeGpus, Pilot, Worker
from server.pilots.states import LIVING, MOVES, WORKER_MOVES, PilotState, WorkerState
from server.pilots.words import words_of_exit


@dataclass(frozen=True)
class Sighting:
    """What a batch system says of a pilot; times are aware."""

    state: PilotState
    exit_code: int | None = None
    started: datetime | None = None
    ended: datetime | None = None
    words: str = ""


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


def observe(pilot: Pilot, seen: Sighting, *, now: datetime) -> bool:
    """Write what a batch system says of a pilot; say whether that was news."""
    before = PilotState(pilot.state)
    if seen.state is before or before not in LIVING:
        return False
    ended = {} if seen.state in LIVING else {"ended_at": seen.ended or now}
    words = seen.words or words_of_exit(seen.exit_code)
    return move(
        Pilot.objects.filter(pk=pilot.pk),
        before,
        seen.state,
        moves=MOVES,
        exit_code=seen.exit_code,
        started_at=seen.started or pilot.started_at,
        words=words[:500],
        **ended,
    )


def took_jobs(batch_id: str, request_id: str, count: int) -> None:
    """Note that a pilot was given jobs; the same request again is not counted again.

    A pilot makes its requests one after the other. An id that no pilot of ours has is passed over, without a write.
    """
    pilot = Pilot.objects.filter(batch_id=batch_id).first() if batch_id else None
    if pilot is not None:
        others = Pilot.objects.filter(pk=pilot.pk).exclude(last_request=request_id)
        others.update(jobs=F("jobs") + count, last_request=request_id)


#: As much as a column for whole numbers holds.
MOST = 2**63 - 1


def worker_said(status: WorkerStatus, *, now: datetime) -> None:
    """Note that a worker's pilot has begun, or ended; what is said again, or late, changes nothing.

    Raises:
        ContractError: this is no such word, or there is no room for a name or number.
    """
    if status.status not in WorkerState.values:
        known = " or ".join(WorkerState.values)
        raise ContractError(f"status: {shown(status.status)} is not {known}", field_name="status")
    state = WorkerState(status.status)
    said = _columns(status, Worker, leave_out=("status",))
    when = {"started_at" if state is WorkerState.STARTED else "finished_at": now}
    who = {name: said.pop(name) for name in ("harvester_id", "worker_id")}
    with transaction.atomic():
        worker, is_new = Worker.objects.get_or_create(**who, defaults={**said, **when, "state": state})
        before = WorkerState(worker.state)
        if not is_new and (before, state) in WORKER_MOVES:
            more = {name: value for name, value in said.items() if value}
            move(Worker.objects.filter(pk=worker.pk), before, state, moves=WORKER_MOVES, **when, **more)


def node_said(node: WorkerNode, *, now: datetime) -> None:
    """Keep what a pilot says of its node, in the place of what was said before; raises likewise."""
    said = _columns(node, Node)
    who = {name: said.pop(name) for name in ("site", "host")}
    who["host"] = without_slot(who["host"])
    Node.objects.update_or_create(**who, defaults={**said, "seen_at": now})


def gpus_said(gpus: WorkerGpus, *, now: datetime) -> None:
    """Keep what a pilot says of its node's GPUs of one model, likewise."""
    said = _columns(gpus, NodeGpus)
    who = {name: said.pop(name) for name in ("site", "host", "vendor", "model")}
    who["host"] = without_slot(who["host"])
    NodeGpus.objects.update_or_create(**who, defaults={**said, "seen_at": now})


def without_slot(host: str) -> str:
    """Answer a node's name where a pilot names its slot with it, as ``slot1_7@node``: nodes are few, slots are not."""
    return host.rpartition("@")[2] or host


def _columns(message: Any, table: type[models.Model], leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """Answer a message's fields as columns of the same names; what does not fit is refused by the field's name."""
    columns: dict[str, Any] = {}
    for field in fields(message):
        if field.name in leave_out:
            continue
        value, column = getattr(message, field.name), table._meta.get_field(field.name)
        name = field.metadata["names"][Dialect.V1] or field.metadata["names"][Dialect.LEGACY]
        most = getattr(column, "max_length", None)
        if most is not None:
            value = value or ""
            if len(value) > most or not value.isprintable():
                text = f"{name}: {shown(value)} is not text of at most {most} characters without control characters"
                raise ContractError(text, field_name=name)
        elif value is not None and not 0 <= value <= MOST:
            raise ContractError(f"{name}: {value} is not between 0 and {MOST}", field_name=name)
        columns[field.name] = value
    return columns


def forget_files(pilots: Iterable[Pilot]) -> None:
    """Note that the directories of these pilots have been removed."""
    Pilot.objects.filter(pk__in=[pilot.pk for pilot in pilots]).update(directory="")
