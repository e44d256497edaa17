"""PanDA's legacy dialect, ``/server/panda/<method>``: what stock pilots of every age speak."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from server.dispatcher.bodies import fields_of
from server.lib.arguments import Argument, bind
from server.lib.http import BodyRefused, legacy_response, refusal

#: Every method that there is.
METHODS = (
    *("getJob", "updateJob", "updateJobsInBulk", "getStatus", "updateWorkerPilotStatus", "getResourceTypes"),
    *("setDebugMode", "getProxy", "getKeyPair", "get_access_token", "get_token_key", "isAlive", "getAttr"),
    *("submitJobs", "getJobStatus", "getFullJobStatus", "killJobs", "putFile"),
)

Method = Callable[[HttpRequest, Identity, Mapping[str, Any]], dict[str, Any]]


def method(*roles: Role) -> Callable[[Method], Callable[..., HttpResponse]]:
    """Make a view of a method: fields in, an answer with its ``StatusCode`` out."""

    def decorate(call: Method) -> Callable[..., HttpResponse]:
        return _view(call, call, roles, ("POST",))

    return decorate


def asked(
    *roles: Role, takes: Sequence[Argument] = (), verbs: Sequence[str] = ("POST",)
) -> Callable[[Callable[..., Any]], Callable[..., HttpResponse]]:
    """Make a view of a method whose arguments are bound by name; fields that it does not have are passed over."""

    def decorate(call: Callable[..., Any]) -> Callable[..., HttpResponse]:
        def answer(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
            said = {argument.name: fields[argument.name] for argument in takes if argument.name in fields}
            return call(request, identity, **bind(takes, said))

        return _view(call, answer, roles, verbs)

    return decorate


def bare(*roles: Role) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Make a view of a method that reads its body itself."""

    def decorate(call: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        def answer(request: HttpRequest, identity: Identity, fields: None) -> HttpResponse:
            return call(request, identity)

        return _view(call, answer, roles, ("POST",), read=lambda request: None)

    return decorate


def _view(
    call: Callable[..., Any],
    answer: Callable[..., Any],
    roles: Sequence[Role],
    verbs: Sequence[str],
    read: Callable[[HttpRequest], Any] = fields_of,
) -> Callable[..., HttpResponse]:
    @csrf_exempt
    @allow(*roles)
    @wraps(call)
    def view(request: HttpRequest, identity: Identity) -> HttpResponse:
        if request.method not in verbs:
            return refusal(request, f"{request.path}: use {' or '.join(verbs)}; nothing was done")
        try:
            said = answer(request, identity, read(request))
        except BodyRefused as refused:
            return refusal(request, str(refused), status=refused.status)
        except ContractError as wrong:
            return refusal(request, str(wrong))
        return said if isinstance(said, HttpResponse) else legacy_response(request, said)

    return view


@method(Role.PILOT)
def get_job(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give a pilot its next job, flat; or several in ``jobs`` when it asks with ``nJobs``."""
    work = headers.with_cores(request, decode(WorkRequest, fields, Dialect.LEGACY))
    name, repeatable = headers.request_id(request)
    stock = headers.is_stock(request)
    jobs = logic.acquire(work, name, repeatable=repeatable, by=identity.name, queues=identity.queues, stock=stock)
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
    answer = logic.report(update, progress=progress, shown=shown, by=identity.name, queues=identity.queues)
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
    """Say that there is no such method, and which are."""
    known = ", ".join(sorted(METHODS))
    return refusal(request, f"there is no method {name!r} here; there are {known}", status=404)
