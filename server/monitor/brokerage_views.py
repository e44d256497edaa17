"""The page that tells why a job goes where it goes: what every rule says of each queue."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from server.brokerage import queries as brokerage
from server.lib.http import envelope
from server.monitor.access import readable, wants_json
from server.monitor.jobs import is_job_number
from server.monitor.paging import page


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
