"""PanDA's newer dialect, ``/api/v1/<module>/<method>``: JSON in its envelope, with its manners."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from pilot.contract.codec import INTEGER, TEXT, TRUTH, ContractError, Dialect, decode, encode, read, says_something
from pilot.contract.messages import NO_JOBS_TEXT, Command, JobUpdate, StatusCode, WorkRequest
from pilot.contract.order import order_from_wire
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import allow, everyone
from server.dispatcher import headers, logic
from server.dispatcher.bodies import read_fields
from server.lib.http import BodyRefused, envelope, refusal
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer import queries

Method = Callable[[HttpRequest, Identity, Mapping[str, Any]], Any]

#: Jobs in one call, as in PanDA; beyond that the call is refused, not cut.
MOST_JOBS = 5000


class NothingToGive(Exception):
    """The call was understood and there is nothing to answer; PanDA calls that no success."""


def method(*roles: Role, verb: str = "POST") -> Callable[[Method], Callable[..., HttpResponse]]:
    """Make a view of a method: arguments in, the ``data`` of the envelope out."""

    def decorate(call: Method) -> Callable[..., HttpResponse]:
        @csrf_exempt
        @allow(*roles)
        @wraps(call)
        def view(request: HttpRequest, identity: Identity) -> HttpResponse:
            if request.method != verb:
                return refusal(request, f"{request.method} is not allowed here; use {verb}")
            try:
                fields = read_fields(request) if verb == "POST" else query_fields(request)
                return envelope(call(request, identity, fields))
            except BodyRefused as refused:
                return refusal(request, str(refused), status=refused.status)
            except ContractError as wrong:
                return refusal(request, f"Argument error: {wrong}")
            except NothingToGive as nothing:
                return refusal(request, str(nothing))

        return view

    return decorate


def query_fields(request: HttpRequest) -> Mapping[str, Any]:
    """Read a query string; a key that comes several times is a list."""
    return {key: values if len(values) > 1 else values[0] for key, values in request.GET.lists()}


def only(fields: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse an argument that the method does not have."""
    for name in fields:
        if name not in known:
            text = f"got an unexpected argument {name!r}; there are {', '.join(sorted(known))}"
            raise ContractError(text, field_name=name)


def job_ids(fields: Mapping[str, Any]) -> list[int]:
    """Read the argument ``job_ids``."""
    raw = fields.get("job_ids")
    listed = raw if isinstance(raw, list) else [raw]
    if not all(says_something(value) for value in listed):
        raise ContractError("job_ids: missing; a list of whole numbers is expected", field_name="job_ids")
    if len(listed) > MOST_JOBS:
        raise ContractError(f"job_ids: {len(listed)} jobs; at most {MOST_JOBS} in a call", field_name="job_ids")
    return [read(value, INTEGER, "job_ids") for value in listed]


@method(Role.PILOT)
def acquire_jobs(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Give a pilot jobs."""
    work = headers.with_cores(request, decode(WorkRequest, fields, Dialect.V1))
    name, repeatable = headers.request_id(request)
    jobs = logic.acquire(work, name, repeatable=repeatable, by=identity.name)
    if not jobs:
        raise NothingToGive(NO_JOBS_TEXT)
    return {"StatusCode": StatusCode.OK.value, "jobs": jobs}


@method(Role.PILOT)
def update_job(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Take a pilot's report on a job, and answer with the command for it."""
    update = decode(JobUpdate, fields, Dialect.V1)
    progress, shown = headers.progress(request), headers.shown(request)
    answer = logic.report(update, progress=progress, shown=shown, by=identity.name)
    return {"StatusCode": StatusCode.OK.value, **encode(headers.addressed(request, update, answer), Dialect.V1)}


@method(Role.PILOT)
def update_jobs_bulk(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Take reports on several jobs, as Harvester sends them; answer to each as `update_job` does, in its envelope."""
    only(fields, {"job_list", "harvester_id"})
    entries = _listed(fields.get("job_list"), "job_list")
    if len(entries) > MOST_JOBS:
        raise ContractError(f"job_list: {len(entries)} jobs; at most {MOST_JOBS} in a call", field_name="job_list")
    return [_taken(entry, identity.name) for entry in entries]


def _taken(entry: Mapping[str, Any], by: str) -> dict[str, Any]:
    """Take one of several reports; one that is none does not keep the others from being taken."""
    try:
        update = decode(JobUpdate, entry, Dialect.V1)
    except ContractError as wrong:
        return {"success": False, "message": f"Argument error: {wrong}", "data": None}
    answer = logic.report(update, progress=None, shown=None, by=by)
    data = {"StatusCode": StatusCode.OK.value, **encode(answer, Dialect.V1)}
    return {"success": True, "message": "", "data": data}


@method(Role.PILOT, Role.PRODUCTION, Role.READER, verb="GET")
def get_job_status(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Answer state and attempt of those of these jobs that there are."""
    only(fields, {"job_ids", "timeout"})
    found = queries.states_of(wanted := job_ids(fields))
    return [
        {"job_id": number, "status": found[number][0], "attempt_number": found[number][2]}
        for number in wanted
        if number in found
    ]


@method(Role.PRODUCTION)
def submit(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Take jobs, all or none; answer (PandaID, jobDefinitionID, jobName) of each. ``jobs`` is a list, or its JSON."""
    only(fields, {"jobs"})
    entries = _listed(fields.get("jobs"), "jobs")
    if not 1 <= len(entries) <= MOST_JOBS:
        raise ContractError(f"jobs: {len(entries)} jobs; 1 to {MOST_JOBS} in a call", field_name="jobs")
    orders = []
    for at, entry in enumerate(entries):
        try:
            orders.append(order_from_wire(entry))
        except ContractError as wrong:
            raise ContractError(f"jobs[{at}]: {wrong}", field_name=f"jobs[{at}].{wrong.field_name}") from wrong
    numbers = taskbuffer.submit(orders, by=identity.name)
    return [[number, 0, order.spec.name] for number, order in zip(numbers, orders, strict=True)]


def _listed(raw: Any, name: str) -> list[Any]:
    if isinstance(raw, str):
        try:
            raw = orjson.loads(raw)
        except orjson.JSONDecodeError as wrong:
            raise ContractError(f"{name}: the text is not JSON: {wrong}", field_name=name) from wrong
    if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
        raise ContractError(f"{name}: a list of objects, one per job, is expected", field_name=name)
    return raw


@method(Role.PILOT, Role.PRODUCTION, Role.READER, verb="GET")
def get_status(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Answer [state, command] of each job; ``notfound`` for one that is not known."""
    only(fields, {"job_ids", "timeout"})
    wanted = job_ids(fields)
    found = queries.states_of(wanted)
    return [list(found[job_id][:2]) if job_id in found else ["notfound", ""] for job_id in wanted]


@method(Role.PRODUCTION)
def kill(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """End jobs; answer for each whether it ended or will."""
    only(fields, {"job_ids", "code"})
    code = read(fields["code"], INTEGER, "code") if says_something(fields.get("code")) else None
    wanted = job_ids(fields)
    outcomes = taskbuffer.kill(wanted, code=code, by=identity.name)
    done = {taskbuffer.KillOutcome.ENDED, taskbuffer.KillOutcome.ORDERED}
    return [outcomes[job_id] in done for job_id in wanted]


@method(Role.PRODUCTION)
def set_command(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Have the pilot of the job `job_id` told a `command`: softkill, debug, debugoff, nocleanup, tail, ls, ps or du."""
    only(fields, {"job_id", "command"})
    taskbuffer.command(_number(fields, "job_id"), read(fields.get("command", ""), TEXT, "command"))
    return True


@method(Role.PRODUCTION)
def set_debug_mode(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Switch the debug mode of the job `job_id` on or off: short heartbeats with the last lines of its output."""
    only(fields, {"job_id", "mode"})
    mode = read(fields.get("mode"), TRUTH, "mode")
    taskbuffer.command(_number(fields, "job_id"), (Command.DEBUG if mode else Command.DEBUG_OFF).value)
    return True


@method(Role.PILOT, Role.PRODUCTION, Role.READER, verb="GET")
def get_resource_types(request: HttpRequest, identity: Identity, fields: Mapping[str, Any]) -> Any:
    """Answer the resource types, of which this server has none: its jobs ask for cores and memory themselves."""
    only(fields, {"timeout"})
    return []


def _number(fields: Mapping[str, Any], name: str) -> int:
    if not says_something(fields.get(name)):
        raise ContractError(f"{name}: missing; a whole number is expected", field_name=name)
    number: int = read(fields[name], INTEGER, name)
    return number


@csrf_exempt
@everyone(because="says only that the server answers")
def is_alive(request: HttpRequest) -> HttpResponse:
    """Say that the server answers."""
    return envelope(None)
