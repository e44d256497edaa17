"""What pilots say of themselves: as workers of a Harvester, as pilots of ours, and what their nodes are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Value
from django.db.models.functions import Coalesce

from pilot.contract.codec import ContractError, Dialect, shown
from pilot.contract.worker import WorkerGpus, WorkerNode, WorkerStatus
from server.lib.moves import move
from server.pilots import queries
from server.pilots.models import Node, NodeGpus, Pilot, Worker
from server.pilots.states import WORKER_MOVES, WorkerState

#: As much as a column for whole numbers holds.
MOST = 2**63 - 1


def worker_said(status: WorkerStatus, *, now: datetime, queues: Collection[str] = ()) -> None:
    """Note that a worker's pilot has begun, or ended; what is said again, or late, changes nothing.

    A pilot that our factory has submitted names its id in the batch system: that is written on its own row, of those
    of the same id on that of one of the ``queues`` that it speaks for.

    Raises:
        ContractError: this is no such word, or there is no room for a name or number.
    """
    if status.status not in WorkerState.values:
        known = " or ".join(WorkerState.values)
        raise ContractError(f"status: {shown(status.status)} is not {known}", field_name="status")
    state = WorkerState(status.status)
    said = _columns(status, Worker, leave_out=("status", "batch_id"))
    if pilot_said(status.batch_id, state, said["node"], now=now, queues=queues):
        return
    when = {"started_at" if state is WorkerState.STARTED else "finished_at": now}
    who = {name: said.pop(name) for name in ("harvester_id", "worker_id")}
    with transaction.atomic():
        worker, is_new = Worker.objects.get_or_create(**who, defaults={**said, **when, "state": state})
        before = WorkerState(worker.state)
        if not is_new and (before, state) in WORKER_MOVES:
            more = {name: value for name, value in said.items() if value}
            move(Worker.objects.filter(pk=worker.pk), before, state, moves=WORKER_MOVES, **when, **more)


def pilot_said(batch_id: str, state: WorkerState, node: str, *, now: datetime, queues: Collection[str] = ()) -> bool:
    """Note on the row of a pilot of ours that it has begun, or ended, by its own word; say whether there is such a row.

    What it is stays as its batch system says, which also knows of ends that no pilot tells.
    """
    pilot = queries.pilot_of_batch(batch_id, queues)
    if pilot is None:
        return False
    over = [state, WorkerState.FINISHED]
    said: dict[str, Any] = {"reported": state, "reported_at": now}
    if node:
        said["node"] = without_slot(node)
    if state is WorkerState.STARTED:
        said["started_at"] = Coalesce("started_at", Value(now))
    Pilot.objects.filter(pk=pilot.pk).exclude(reported__in=over).update(**said)
    return True


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
