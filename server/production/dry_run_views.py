"""Dry runs over HTTP, and drafts that are defined anew: what the client ``compass`` and other programs call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from pilot.contract.codec import INTEGER, OBJECT, TEXT, ContractError, shown
from server.accounts.rules import Identity, Role, allow
from server.lib.arguments import Argument, bind, described
from server.lib.http import envelope, json_response, refusal
from server.production import logic, queries
from server.production.definition import BadDefinition
from server.production.dryrun import dry_run as dry_runs
from server.production.dryrun.dry_run import MOST, PAGE, DryRun, NoDryRun, Part
from server.production.raw_lists import LARGEST
from server.production.redefining import redefine_task as redefine

_TASK = Argument("task", TEXT, "Name of a draft, or of a task that has sent nothing yet.", "")
_DEFINITION = Argument("definition", OBJECT, "Fields of a task that is not there yet; by POST alone.", None)
_PART = (
    Argument("run", INTEGER, "Jobs, merges and sums of this run alone; the totals are of all.", None),
    Argument("jobs_from", INTEGER, "So many jobs are passed over.", 0),
    Argument("merges_from", INTEGER, "So many merges are passed over.", 0),
    Argument("runs_from", INTEGER, "So many runs are passed over.", 0),
    Argument("limit", INTEGER, f"Most rows of each list, 1 to {MOST}.", PAGE),
    Argument("format", TEXT, "`csv` or `jsonl`: every job and merge as a stream, without the totals.", ""),
)
_ASKED = (_TASK, _DEFINITION, *_PART)


@described("GET", "POST", takes=_ASKED)
@csrf_exempt
@allow(Role.READER, Role.PRODUCTION)
def dry_run(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer what a task would do: jobs, files with estimated sizes, merges, tape calls, conflicts, duration.

    Nothing is written. A definition is refused as `define_task` would refuse it, field by field, but for other tasks
    that make the same files: these are listed.
    """
    if request.method not in ("GET", "POST"):
        return refusal(request, f"method {request.method} is not taken here; use GET or POST")
    try:
        said = bind(_ASKED, _said(request))
        found = _asked(said)
        if said["format"]:
            return stream(found, said["format"])
        return envelope(found.answer(read_part(said)))
    except BadDefinition as bad:
        return json_response({"success": False, "message": str(bad), "data": {"slips": bad.slips}})
    except (ContractError, NoDryRun, logic.TaskRefused) as bad:
        return refusal(request, str(bad))


def _asked(said: Mapping[str, Any]) -> DryRun:
    if bool(said["task"]) == (said["definition"] is not None):
        raise NoDryRun("give either task, the name of one, or by POST definition, the fields of one")
    if said["task"]:
        return dry_runs.of_task(logic.task_of(said["task"]))
    return dry_runs.of_definition(said["definition"])


def _said(request: HttpRequest) -> dict[str, Any]:
    if request.method == "GET":
        return dict(request.GET.items())
    return _object(request)


def _object(request: HttpRequest) -> dict[str, Any]:
    try:
        found = orjson.loads(request.body)
    except orjson.JSONDecodeError as bad:
        raise ContractError(f"the body is not JSON ({bad}); send an object", field_name="body") from bad
    if not isinstance(found, dict):
        raise ContractError("the body is not a JSON object", field_name="body")
    return found


def read_part(said: Mapping[str, Any]) -> Part:
    """Read which rows are wanted.

    Raises:
        ContractError: a number cannot be.
    """
    numbers = {name: said[name] for name in ("jobs_from", "merges_from", "runs_from")}
    for name, value in {**numbers, "run": said["run"] or 0}.items():
        if not 0 <= value <= LARGEST:
            raise ContractError(f"{name}: {value} is not a number from 0 to {LARGEST}", field_name=name)
    if not 1 <= said["limit"] <= MOST:
        raise ContractError(f"limit: {said['limit']} is not a number from 1 to {MOST}", field_name="limit")
    return Part(run=said["run"], limit=said["limit"], **numbers)


def stream(found: DryRun, form: str) -> HttpResponse:
    """Answer every job and merge, as they are read.

    Raises:
        ContractError: there is no such form.
    """
    if form not in ("csv", "jsonl"):
        raise ContractError(f"format: {shown(form)} is neither csv nor jsonl", field_name="format")
    name = f"{found.definition.name}-dry-run.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    lines: Iterator[str] | Iterator[bytes] = dry_runs.as_csv(found.rows())
    content_type = "text/csv; charset=utf-8"
    if form == "jsonl":
        lines, content_type = dry_runs.as_lines(found.rows()), "application/x-ndjson"
    return cast("HttpResponse", StreamingHttpResponse(lines, content_type=content_type, headers=headers))


_ANEW = (
    Argument("name", TEXT, "Name of the draft."),
    Argument("definition", OBJECT, "All fields of the task, as they are to be."),
    Argument("seen", TEXT, "`updated` of the draft as you know it; refused if it is another by now.", ""),
)


@described("POST", takes=_ANEW)
@csrf_exempt
@allow(Role.PRODUCTION)
def redefine_task(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Write a whole definition over that of a draft; it stays a draft, and its history tells what was changed."""
    if request.method != "POST":
        return refusal(request, f"method {request.method} is not taken here; use POST")
    try:
        said = bind(_ANEW, _object(request))
        task = redefine(said["name"], said["definition"], by=identity.name, seen=said["seen"])
        return envelope(queries.task_json(task))
    except BadDefinition as bad:
        return json_response({"success": False, "message": str(bad), "data": {"slips": bad.slips}})
    except (ContractError, logic.TaskRefused) as bad:
        return refusal(request, str(bad))
