"""The production over HTTP, in PanDA's envelope: what the client ``compass`` and other programs call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from pilot.contract.codec import INTEGER, OBJECT, TEXT, TRUTH
from server.accounts.rules import READERS, Identity, Role, allow
from server.lib.arguments import Argument, described
from server.lib.http import envelope, json_response, refusal
from server.production import acceptance, logic, queries
from server.production.definition import LARGEST, BadDefinition


class BadArguments(ValueError):
    """A call has an argument too many, too few, or of the wrong kind."""


Call = Callable[[HttpRequest, Identity], Any]


def _answered(method: str) -> Callable[[Call], Callable[[HttpRequest, Identity], HttpResponse]]:
    """Put what a call answers, or refuses, into the envelope; application errors are HTTP 200 as PanDA has it."""

    def decorate(call: Call) -> Callable[[HttpRequest, Identity], HttpResponse]:
        @wraps(call)
        def answer(request: HttpRequest, identity: Identity) -> HttpResponse:
            if request.method != method:
                return refusal(request, f"method {request.method} is not taken here; use {method}")
            try:
                return envelope(call(request, identity))
            except BadDefinition as bad:
                return json_response({"success": False, "message": str(bad), "data": {"slips": bad.slips}})
            except (BadArguments, logic.TaskRefused, acceptance.CheckRefused) as bad:
                return refusal(request, str(bad))

        return answer

    return decorate


_NAME = Argument("name", TEXT, "Name of the task.")


@described(
    "POST",
    takes=(
        Argument("definition", OBJECT, "Fields of the task."),
        Argument("start", TRUTH, "Whether its jobs are sent at once.", False),
    ),
)
@csrf_exempt
@allow(Role.PRODUCTION)
@_answered("POST")
def define_task(request: HttpRequest, identity: Identity) -> Any:
    """Write a new task from ``definition``; with ``start`` it is sent at once."""
    body = _body(request, {"definition"}, {"start"})
    definition, start = body["definition"], body.get("start", False)
    if not isinstance(definition, dict):
        raise BadArguments('definition: give an object of fields, such as {"name": ...}')
    if not isinstance(start, bool):
        raise BadArguments(f"start: {start!r} is neither true nor false")
    task = logic.define_task(definition, by=identity.name, start=start)
    return queries.task_json(task)


@described(
    "POST",
    takes=(
        _NAME,
        Argument("to", TEXT, "A state, or `start`."),
        Argument("words", TEXT, "Why; kept in the task's history.", ""),
    ),
)
@csrf_exempt
@allow(Role.PRODUCTION)
@_answered("POST")
def move_task(request: HttpRequest, identity: Identity) -> Any:
    """Move the task ``name`` to the state ``to``, or lead it to ``send`` if that is ``start``; ``words`` say why."""
    body = _body(request, {"name", "to"}, {"words"})
    name, to, words = (_text(body.get(key, ""), key) for key in ("name", "to", "words"))
    if to == "start":
        task = logic.start_task(name, by=identity.name)
    else:
        task = logic.move_task(name, to, by=identity.name, words=words)
    return queries.task_json(task)


@described("GET", takes=(_NAME,))
@allow(*READERS)
@_answered("GET")
def get_task(request: HttpRequest, identity: Identity) -> Any:
    """Answer everything about the task ``name``: progress, run by run, cross-checks, outputs."""
    arguments = _query(request, {"name"}, set())
    return queries.task_json(logic.task_of(arguments["name"]))


@described("GET", takes=(_NAME,))
@allow(*READERS)
@_answered("GET")
def explain_task(request: HttpRequest, identity: Identity) -> Any:
    """Answer why so many, or no, jobs of the task ``name`` are sent: what was decided, and would be now, what waits."""
    arguments = _query(request, {"name"}, set())
    return queries.explanation(logic.task_of(arguments["name"])).as_json()


@described("GET", takes=(Argument("limit", INTEGER, "Most tasks, 1 to 500.", 50),))
@allow(*READERS)
@_answered("GET")
def list_tasks(request: HttpRequest, identity: Identity) -> Any:
    """Answer the latest tasks with their progress, newest first; at most ``limit`` (50)."""
    arguments = _query(request, set(), {"limit"})
    limit = arguments.get("limit", "50")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= 500:
        raise BadArguments(f"limit: {limit!r} is not a whole number from 1 to 500")
    return [line.as_json() for line in queries.recent_tasks(int(limit))]


_CHECK = (
    _NAME,
    Argument("run", INTEGER, "Number of the run."),
    Argument("kind", TEXT, "`mdst` (events in mDSTs) or `dump` (bytes in event dumps)."),
)


@described("POST", takes=(*_CHECK, Argument("words", TEXT, "Why the difference may be; kept in the task's history.")))
@csrf_exempt
@allow(Role.PRODUCTION)
@_answered("POST")
def accept_check(request: HttpRequest, identity: Identity) -> Any:
    """Take the difference that the cross-check ``kind`` of a run has found as it is: what follows it begins."""
    body = _body(request, {"name", "run", "kind", "words"}, set())
    name, kind, words = (_text(body[key], key) for key in ("name", "kind", "words"))
    check = acceptance.accept(name, _run(body["run"]), kind, by=identity.name, reason=words)
    return queries.check_json(check)


@described("POST", takes=(*_CHECK, Argument("words", TEXT, "Why; kept in the task's history.", "")))
@csrf_exempt
@allow(Role.PRODUCTION)
@_answered("POST")
def check_again(request: HttpRequest, identity: Identity) -> Any:
    """Make the cross-check ``kind`` of a run anew, with the numbers as they are now; answer what it says."""
    body = _body(request, {"name", "run", "kind"}, {"words"})
    name, kind, words = (_text(body.get(key, ""), key) for key in ("name", "kind", "words"))
    check = acceptance.check_again(name, _run(body["run"]), kind, by=identity.name, reason=words)
    return queries.check_json(check)


def _run(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST:
        raise BadArguments(f"run: {value!r} is not the number of a run")
    return value


def _body(request: HttpRequest, needed: set[str], optional: set[str]) -> dict[str, Any]:
    try:
        found = orjson.loads(request.body)
    except orjson.JSONDecodeError as bad:
        raise BadArguments(f"the body is not JSON ({bad}); send an object") from bad
    if not isinstance(found, dict):
        raise BadArguments("the body is not a JSON object")
    _check(found, needed, optional)
    return found


def _query(request: HttpRequest, needed: set[str], optional: set[str]) -> dict[str, str]:
    found = {key: str(value) for key, value in request.GET.items()}
    _check(found, needed, optional)
    return found


def _check(found: Mapping[str, Any], needed: set[str], optional: set[str]) -> None:
    for key in found:
        if key not in needed | optional:
            known = ", ".join(sorted(needed | optional)) or "none"
            raise BadArguments(f"{key}: no such argument; known are {known}")
    for key in sorted(needed):
        if found.get(key) in (None, ""):
            raise BadArguments(f"{key}: missing")


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise BadArguments(f"{key}: {value!r} is not text")
    return str(TEXT.read(value))  # without what no database keeps
