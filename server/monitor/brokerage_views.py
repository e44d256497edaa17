"""Why a job goes where it goes: what every rule says of each queue, to clients and on a page of its own."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from server.accounts.rules import READERS, Identity, allow
from server.brokerage import queries as brokerage
from server.lib.http import envelope, refusal
from server.monitor.access import readable, wants_json
from server.monitor.jobs import is_job_number
from server.monitor.paging import page


@allow(*READERS)
@require_safe
def explain(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer what each rule of brokerage says of the job ``job_id`` and every queue, or the one named by ``queue``."""
    number = request.GET.get("job_id", "")
    if not is_job_number(number):
        return refusal(request, f"job_id: {number!r} is not the number of a job")
    try:
        found = brokerage.explain(int(number), request.GET.get("queue", ""))
    except LookupError as unknown:
        return refusal(request, f"queue: {unknown}")
    if found is None:
        return refusal(request, f"job_id: there is no job {number}")
    return envelope(found)


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
