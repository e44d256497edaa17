"""What pilots say of themselves as workers of a Harvester, and of their nodes; in both dialects where PanDA does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.http import HttpRequest
from django.utils import timezone

from pilot.contract.codec import Dialect, decode
from pilot.contract.messages import StatusCode
from pilot.contract.worker import WorkerGpus, WorkerNode, WorkerStatus
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.dispatcher import legacy, v1
from server.pilots import logic as pilots

T = TypeVar("T", WorkerStatus, WorkerNode, WorkerGpus)


def _message(kind: type[T], fields: Mapping[str, Any]) -> T:
    """Read a message of /api/v1; PanDA's argument ``timeout``, of its database, is of no use here."""
    return decode(kind, {name: value for name, value in fields.items() if name != "timeout"}, Dialect.V1)


@legacy.method(Role.PILOT)
def update_worker_pilot_status(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Note that the pilot of a worker has started or finished."""
    pilots.worker_said(decode(WorkerStatus, fields, Dialect.LEGACY), now=timezone.now())
    return {"StatusCode": StatusCode.OK.value}


@v1.method(Role.PILOT)
def update_worker_status(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Note that the pilot of a worker has `status` started or finished."""
    pilots.worker_said(_message(WorkerStatus, fields), now=timezone.now())
    return True


@v1.method(Role.PILOT)
def update_worker_node(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Keep what a pilot says of its worker node."""
    pilots.node_said(_message(WorkerNode, fields), now=timezone.now())
    return True


@v1.method(Role.PILOT)
def update_worker_node_gpu(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Keep what a pilot says of its worker node's GPUs of one model."""
    pilots.gpus_said(_message(WorkerGpus, fields), now=timezone.now())
    return True
