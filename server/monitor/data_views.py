"""The pages on data: requests and datasets, one request, one dataset; and the page of one job."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from server.dataservice import queries as dataservice
from server.harvester import queries as harvesters
from server.lib.http import envelope
from server.lib.pages import wants_json
from server.monitor import data
from server.monitor.access import readable
from server.monitor.jobs import described
from server.monitor.paging import page
from server.monitor.pilots import attempts_with_pilots
from server.taskbuffer import queries as taskbuffer


@readable
@require_safe
def show_data(request: HttpRequest) -> HttpResponse:
    """Show what is asked of storages, which of them are silent, and the latest datasets."""
    found = data.contents()
    return envelope(found.as_json()) if wants_json(request) else page(request, "data", {**vars(found), "page": "data"})


@readable
@require_safe
def show_request(request: HttpRequest, number: int) -> HttpResponse:
    """Show one request: its files, how far each is and what went wrong."""
    found = dataservice.request_page(number, now=timezone.now())
    if found is None:
        return _missing(request, f"request {number}")
    if wants_json(request):
        return envelope(found.as_json())
    return page(request, "request", {**vars(found), "one": found.request, "page": "data"})


@readable
@require_safe
def show_dataset(request: HttpRequest, number: int) -> HttpResponse:
    """Show one dataset: its files and where they lie."""
    found = data.dataset_page(number, all_files=wants_json(request))
    if found is None:
        return _missing(request, f"dataset {number}")
    return (
        envelope(found.as_json()) if wants_json(request) else page(request, "dataset", {**vars(found), "page": "data"})
    )


@readable
@require_safe
def show_job(request: HttpRequest, number: int) -> HttpResponse:
    """Show one job: how it stands, what it waits for, its files, attempts and moves."""
    found = taskbuffer.jobs([number])
    if not found:
        return _missing(request, f"job {number}")
    (told,) = described(found)
    if wants_json(request):
        return envelope(told)
    context = {
        "job": found[0],
        "attempts": attempts_with_pilots(found[0]),
        "workers": harvesters.workers_of_job(number),
        "moves": list(found[0].moves.all()),
        "files": taskbuffer.files_of([number]),
        "waits_for": told["waitsFor"],
        "now": timezone.now(),
    }
    return page(request, "job", context)


def _missing(request: HttpRequest, what: str) -> HttpResponse:
    return page(request, "missing", {"what": what.partition(" ")[0], "name": what}, status=404)
