"""What everybody may ask in ``/api/v1``: whether the server lives, whom it takes the caller for, what there is."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from pilot.contract.states import JobState
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import READERS
from server.dispatcher.v1 import GET, POST, method, open_method
from server.lib.arguments import TIMEOUT
from server.taskbuffer import queries as taskbuffer
from server.taskbuffer.resource_types import resource_type


@open_method("says only that the server answers", verbs=(GET, POST))
def is_alive(request: HttpRequest) -> Any:
    """Say that the server answers."""
    return None


#: Headers that say nothing of who calls, and may hold what is secret, are left out.
_TOLD_HEADERS = ("Accept", "Content-Type", "Host", "Origin", "User-Agent")


@method(*Role, verbs=(GET,))
def get_attributes(request: HttpRequest, identity: Identity) -> Any:
    """Answer whom the server takes the caller for, and what it has sent, in PanDA's form."""
    return attributes(request, identity)


def attributes(request: HttpRequest, identity: Identity) -> dict[str, dict[str, Any]]:
    """Say whom the server takes a caller for, and what it has sent."""
    environment = {"REMOTE_USER": identity.name, "ROLE": identity.role.value, "REQUEST_METHOD": request.method}
    said = {name: request.headers[name] for name in _TOLD_HEADERS if name in request.headers}
    return {"headers": said, "environment": environment}


@method(Role.PILOT, *READERS, takes=(TIMEOUT,), verbs=(GET,))
def get_resource_types(request: HttpRequest, identity: Identity, timeout: int | None) -> Any:
    """Answer the resource types, of which this server has none: its jobs ask for cores and memory themselves."""
    return []


#: States of jobs that are queued, or that pilots have.
_ACTIVE = (
    JobState.ACTIVATED,
    JobState.SENT,
    JobState.STARTING,
    JobState.RUNNING,
    JobState.HOLDING,
    JobState.TRANSFERRING,
)


@method(Role.PILOT, *READERS, verbs=(GET,))
def active_job_stats_by_site(request: HttpRequest, identity: Identity) -> Any:
    """Answer queue -> state -> number of its jobs that are queued, or that pilots have."""
    counts: dict[str, dict[str, int]] = {}
    for queue, number in taskbuffer.ready_by_queue().items():
        counts.setdefault(queue, {})[JobState.ACTIVATED.value] = number
    for (queue, state), number in taskbuffer.live_by_queue().items():
        counts.setdefault(queue, {})[state] = number
    return {queue: {state.value: 0 for state in _ACTIVE} | states for queue, states in counts.items()}


@method(Role.PILOT, *READERS, verbs=(GET,))
def active_job_detailed_stats_by_site(request: HttpRequest, identity: Identity) -> Any:
    """Answer queue -> label -> resource type -> state -> number of its jobs that are queued, or that pilots have."""
    counts: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for (bucket, state), number in taskbuffer.active_by_bucket().items():
        kind = resource_type("SCORE", bucket.cores, bucket.memory)
        labels = counts.setdefault(bucket.queue, {})
        states = labels.setdefault(bucket.label, {}).setdefault(kind, {one.value: 0 for one in _ACTIVE})
        states[state] += number
    return counts
