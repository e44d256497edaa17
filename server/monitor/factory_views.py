"""The pages of the factory: its systems and queues, a queue's decisions, and the workers of Harvesters beside them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from pilot.contract.codec import ContractError
from server.factory import queries as factory
from server.harvester import queries as harvesters
from server.harvester.queries import AtQueue
from server.lib.http import envelope, refusal
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.jobs import is_job_number
from server.monitor.paging import page


@readable
@require_safe
def show_factory(request: HttpRequest) -> HttpResponse:
    """Show each batch system's health, each queue's pilots, last decision and cost, and the workers of Harvesters."""
    found, beside = factory.overview(), harvesters.living_at_queues()
    if wants_json(request):
        return envelope({**found.as_json(), "beside": [_beside_json(one) for one in beside]})
    context = {"queues": found.queues[: factory.MOST_QUEUES], "more": max(0, len(found.queues) - factory.MOST_QUEUES)}
    return page(request, "factory", {"page": "factory", "systems": found.systems, "beside": beside, **context})


@readable
@require_safe
def show_factory_queue(request: HttpRequest, queue: str) -> HttpResponse:
    """Show why a queue gets as many pilots as it gets, and what it would get with other settings."""
    try:
        found = factory.explain(queue)
    except LookupError:
        return page(request, "missing", {"what": "queue", "name": f"queue {queue} of the factory"}, status=404)
    try:
        again = _again(request, queue)
    except (ContractError, LookupError) as wrong:
        if wants_json(request):
            return refusal(request, str(wrong), status=400)
        return page(request, "factory_queue", {**_context(request, found), "wrong": str(wrong)}, status=400)
    if wants_json(request):
        beside = [_beside_json(one) for one in harvesters.living_at_queues(queue)]
        return envelope({**found, "again": again, "beside": beside})
    return page(request, "factory_queue", {**_context(request, found), "again": again})


def _again(request: HttpRequest, queue: str) -> dict[str, Any] | None:
    """Decide once more, if the request asks for it: by settings, one in a line, and by the number of a cycle."""
    settings = [line.strip() for line in request.GET.get("settings", "").splitlines() if line.strip()]
    cycle = request.GET.get("cycle", "")
    if not settings and not cycle:
        return None
    return factory.replayed(queue, settings, int(cycle) if is_job_number(cycle) else None)


def _context(request: HttpRequest, found: dict[str, Any]) -> dict[str, Any]:
    facts = {name: value for name, value in found["facts"].items() if value not in (None, "", [], {})}
    said = {"settings": request.GET.get("settings", ""), "cycle": request.GET.get("cycle", "")}
    beside = harvesters.living_at_queues(found["queue"])
    return {"page": "factory", "found": found, "shown_facts": facts, "said": said, "beside": beside}


def _beside_json(line: AtQueue) -> dict[str, Any]:
    return {"queue": line.queue, "harvester": line.harvester, "workers": line.described}
