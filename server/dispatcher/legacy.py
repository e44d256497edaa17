"""PanDA's legacy dialect, ``/server/panda/<method>``: what stock pilots of every age speak."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from pilot.contract.codec import ContractError, Dialect, decode, encode
from pilot.contract.messages import NO_JOBS_TEXT, JobUpdate, StatusCode, WorkRequest
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import allow, everyone
from server.dispatcher import headers, logic
from server.dispatcher.bodies import read_fields
from server.lib.http import BodyRefused, legacy_response, refusal

Method = Callable[[HttpRequest, Identity, Mapping[str, Any]], dict[str, Any]]


def method(*roles: Role) -> Callable[[Method], Callable[..., HttpResponse]]:
    """Make a view of a method: fields in, an answer with its ``StatusCode`` out."""

    def decorate(call: Method) -> Callable[..., HttpResponse]:
        @csrf_exempt
        @allow(*roles)
        @wraps(call)
        def view(request: HttpRequest, identity: Identity) -> HttpResponse:
            if request.method != "POST":
                return refusal(request, f"{request.path}: use POST; nothing was done")
            try:
                return legacy_response(request, call(request, identity, read_fields(request)))
            except BodyRefused as refused:
                return refusal(request, str(refused), status=refused.status)
            except ContractError as wrong:
                return refusal(request, str(wrong))

        return view

    return decorate


@method(Role.PILOT)
def get_job(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give a pilot its next job, flat; or several in ``jobs`` when it asks with ``nJobs``."""
    work = headers.with_cores(request, decode(WorkRequest, fields, Dialect.LEGACY))
    name, repeatable = headers.request_id(request)
    jobs = logic.acquire(work, name, repeatable=repeatable, by=identity.name)
    if not jobs:
        return {"StatusCode": StatusCode.NO_JOBS.value, "errorDialog": NO_JOBS_TEXT}
    if "nJobs" in fields:
        return {"StatusCode": StatusCode.OK.value, "jobs": jobs}
    return {**jobs[0], "StatusCode": StatusCode.OK.value}


@method(Role.PILOT)
def update_job(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Take a pilot's report on a job, and answer with the command for it."""
    update = decode(JobUpdate, fields, Dialect.LEGACY)
    progress, shown = headers.progress(request), headers.shown(request)
    answer = logic.report(update, progress=progress, shown=shown, by=identity.name)
    return {"StatusCode": StatusCode.OK.value, **encode(headers.addressed(request, update, answer), Dialect.LEGACY)}


@method(Role.PILOT)
def get_resource_types(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the resource types, of which this server has none, in the form that stock pilots read."""
    return {"StatusCode": StatusCode.OK.value, "ResourceTypes": "[]"}


@csrf_exempt
@everyone(because="says only that the server answers")
def is_alive(request: HttpRequest) -> HttpResponse:
    """Answer as PanDA does."""
    return HttpResponse("alive=yes", content_type="text/plain")


@csrf_exempt
@everyone(because="says only that there is no such method")
def unknown(request: HttpRequest, name: str) -> HttpResponse:
    """Say which methods there are."""
    known = "getJob, updateJob, updateWorkerPilotStatus, getResourceTypes and isAlive"
    return refusal(request, f"there is no method {name!r} here; there are {known}", status=404)
