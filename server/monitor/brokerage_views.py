"""The pages that tell why a job goes where it goes, and why a pilot of a queue is given the jobs that it is given."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from server.brokerage import queries as brokerage
from server.lib.http import envelope
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.jobs import is_job_number
from server.monitor.paging import page
from server.monitor.pilots import cost_of


@readable
@require_safe
def show_explanation(request: HttpRequest, number: int) -> HttpResponse:
    """Show which queues may have a job, by which weight, and what keeps the others from it."""
    found = brokerage.explain(number) if is_job_number(str(number)) else None
    if found is None:
        return page(request, "missing", {"what": "job", "name": f"job {number}"}, status=404)
    if wants_json(request):
        return envelope(found)
    return page(request, "brokerage", {**found, "number": number})


@readable
@require_safe
def show_pilots_jobs(request: HttpRequest, queue: str) -> HttpResponse:
    """Show which of a queue's jobs its pilots are given, in their order, and why no others; and what pilots cost."""
    try:
        found = brokerage.explain_pilot(queue)
    except LookupError:
        return page(request, "missing", {"what": "queue", "name": f"queue {queue}"}, status=404)
    cost = cost_of(queue, timezone.now())
    if wants_json(request):
        return envelope({**found, "cost": [{"day": day.isoformat(), **use.as_json()} for day, use in cost]})
    return page(request, "pilots_jobs", {**found, "cost": cost, "page": "pilots"})
