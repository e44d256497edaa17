"""The pages on Harvesters: themselves, their workers, what they were told, and one worker with its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from pilot.contract.codec import INTEGER, TEXT, ContractError
from server.accounts.rules import READERS, Identity, allow
from server.harvester import queries as harvesters
from server.harvester.queries import AtQueue, Instance
from server.lib.arguments import Argument, bind, described
from server.lib.http import envelope, refusal
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.paging import page
from server.pilots import queries as pilots

if TYPE_CHECKING:
    from server.harvester.models import Command, Dialog, ServiceMetric


@dataclass(frozen=True)
class Contents:
    """All that the page on Harvesters shows."""

    instances: list[Instance]
    queues: list[AtQueue]
    commands: list[Command]
    dialogs: list[Dialog]
    figures: list[ServiceMetric]

    def as_json(self) -> dict[str, Any]:
        return {
            "instances": [one.as_json() for one in self.instances],
            "queues": [one.as_json() for one in self.queues],
            "commands": [_json(one) for one in self.commands],
            "dialogs": [_json(one) for one in self.dialogs],
            "figures": [_json(one) for one in self.figures],
        }


def _json(row: Any) -> dict[str, Any]:
    """Answer a row as programs read it."""
    columns = {"id": row.pk, **model_to_dict(row)}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in columns.items()}


def contents(now: datetime) -> Contents:
    """Gather the page, in a number of questions that does not depend on how many workers there are."""
    return Contents(
        instances=harvesters.instances(now),
        queues=harvesters.workers_at_queues(),
        commands=harvesters.latest_commands(),
        dialogs=harvesters.latest_dialogs(),
        figures=harvesters.latest_figures(),
    )


@readable
@require_safe
def show_harvesters(request: HttpRequest) -> HttpResponse:
    """Show which Harvesters there are, their workers by queue and state, and what they were told."""
    found = contents(timezone.now())
    if wants_json(request):
        return envelope(found.as_json())
    return page(request, "harvester", {"page": "pilots", **vars(found)})


_WORKERS = (
    Argument("harvester", TEXT, "Of this Harvester alone.", ""),
    Argument("queue", TEXT, "At this queue alone.", ""),
    Argument("state", TEXT, f"In this state alone: {', '.join(harvesters.WORKER_STATES)}.", ""),
    Argument("before", INTEGER, "Those before the one of that number alone.", None),
    Argument("count", INTEGER, f"How many at most, from 1 to {harvesters.MOST}.", 100),
)


def _workers(said: Mapping[str, Any]) -> dict[str, Any]:
    """Read which workers are asked for.

    Raises:
        ContractError: a name is unknown, or a value is none.
    """
    asked = bind(_WORKERS, said)
    if asked["state"] and asked["state"] not in harvesters.WORKER_STATES:
        words = f"state: {asked['state'][:40]!r} is none of {', '.join(harvesters.WORKER_STATES)}"
        raise ContractError(words, field_name="state")
    if not 1 <= asked["count"] <= harvesters.MOST:
        raise ContractError(f"count: {asked['count']} is not from 1 to {harvesters.MOST}", field_name="count")
    if asked["before"] is not None and not 0 <= asked["before"] < 2**63:
        raise ContractError(f"before: {asked['before']} is not the number of a worker", field_name="before")
    return asked


def _workers_json(found: harvesters.Workers) -> dict[str, Any]:
    return {"workers": [_json(one) for one in found.workers], "older": found.older}


@readable
@require_safe
def show_workers(request: HttpRequest) -> HttpResponse:
    """Show workers of Harvesters by what is asked for, latest first."""
    said = {name: text for name, text in request.GET.dict().items() if name != "json"}
    try:
        found = harvesters.workers(**_workers(said))
    except ContractError as wrong:
        if wants_json(request):
            return refusal(request, str(wrong), status=400)
        slip = {"page": "pilots", "wrong": str(wrong), "said": said, "states": harvesters.WORKER_STATES}
        return page(request, "workers", slip, status=400)
    if wants_json(request):
        return envelope(_workers_json(found))
    kept = urlencode({name: text for name, text in said.items() if text and name != "before"})
    context = {"page": "pilots", "said": said, "states": harvesters.WORKER_STATES, "found": found, "kept": kept}
    return page(request, "workers", context)


@readable
@require_safe
def show_worker(request: HttpRequest, harvester: str, number: int) -> HttpResponse:
    """Show one worker of a Harvester, and the jobs that it has had."""
    worker = harvesters.find_worker(harvester, number)
    if worker is None:
        return page(request, "missing", {"what": "worker", "name": f"worker {harvester}/{number}"}, status=404)
    jobs, own = harvesters.jobs_of_worker(harvester, number), pilots.find_worker(harvester, number)
    if wants_json(request):
        return envelope({**_json(worker), "job_ids": jobs, "pilot": _json(own) if own else None})
    return page(request, "worker", {"page": "pilots", "worker": worker, "jobs": jobs, "own": own})


@described("GET")
@allow(*READERS)
@require_safe
def get_instances(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer which Harvesters there are, their workers by queue and state, and what they were told last."""
    return envelope(contents(timezone.now()).as_json())


@described("GET", takes=_WORKERS)
@allow(*READERS)
@require_safe
def get_workers(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer workers of Harvesters by what is asked for, latest first, and where to go on."""
    try:
        return envelope(_workers_json(harvesters.workers(**_workers(request.GET.dict()))))
    except ContractError as wrong:
        return refusal(request, f"Argument error: {wrong}")
