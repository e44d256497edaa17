"""What pilots say of themselves as workers of a Harvester, and of their nodes; in both dialects where PanDA does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from pilot.contract.codec import Dialect, decode
from pilot.contract.messages import StatusCode
from pilot.contract.worker import WorkerGpus, WorkerNode, WorkerStatus
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.dispatcher import legacy, owners, v1
from server.harvester import queries as harvesters
from server.lib.arguments import TIMEOUT
from server.pilots import logic as pilots
from server.pilots import queries as pilot_queries


@legacy.method(Role.PILOT)
def update_worker_pilot_status(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Note that the pilot of a worker has started or finished."""
    status = decode(WorkerStatus, fields, Dialect.LEGACY)
    _refuse_others(identity, status)
    pilots.worker_said(status, now=timezone.now(), queues=identity.queues)
    return {"StatusCode": StatusCode.OK.value}


def _refuse_others(identity: Identity, status: WorkerStatus) -> None:
    """Refuse a token for some queues that speaks of a worker at another, by what it says or by what is known."""
    if identity.queues:
        known = harvesters.queues_of(status.harvester_id, [status.worker_id]).get(status.worker_id, "")
        pilot = pilot_queries.pilot_of_batch(status.batch_id, identity.queues)
        ours = pilot.queue if pilot else ""
        for queue, name in ((status.queue, "site"), (known, "worker_id"), (ours, "batch_id")):
            if queue:
                owners.refuse_queue(identity, queue, name)


@v1.told(Role.PILOT, message=WorkerStatus, also=(TIMEOUT,))
def update_worker_status(request: HttpRequest, identity: Identity, status: WorkerStatus) -> Any:
    """Note that the pilot of a worker has `status` started or finished."""
    _refuse_others(identity, status)
    pilots.worker_said(status, now=timezone.now(), queues=identity.queues)
    return True


@v1.told(Role.PILOT, message=WorkerNode, also=(TIMEOUT,))
def update_worker_node(request: HttpRequest, identity: Identity, node: WorkerNode) -> Any:
    """Keep what a pilot says of its worker node."""
    if node.queue:
        owners.refuse_queue(identity, node.queue, "panda_queue")
    pilots.node_said(node, now=timezone.now())
    return True


@v1.told(Role.PILOT, message=WorkerGpus, also=(TIMEOUT,))
def update_worker_node_gpu(request: HttpRequest, identity: Identity, gpus: WorkerGpus) -> Any:
    """Keep what a pilot says of its worker node's GPUs of one model."""
    pilots.gpus_said(gpus, now=timezone.now())
    return True
