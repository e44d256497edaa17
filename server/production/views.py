"""The production over HTTP: what the client ``compass`` and other programs call, and the page for sending again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import orjson
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt

from pilot.contract.codec import INTEGER, OBJECT, TEXT, TRUTH, shown
from server.accounts.rules import READERS, Identity, Role, allow, everyone, may_produce, may_read
from server.lib.arguments import Argument, described
from server.lib.http import envelope, json_response, refusal
from server.lib.pages import answer_page
from server.lib.texts import storable
from server.production import acceptance, logic, queries, steering
from server.production.definition import BadDefinition
from server.production.raw_lists import LARGEST
from server.production.resend.history import resend_json, resends_of
from server.production.resend.wishes import WORDS, What
from server.production.states import MergeKind


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
        raise BadArguments(f"start: {shown(start)} is neither true nor false")
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
        raise BadArguments(f"limit: {shown(limit)} is not a whole number from 1 to 500")
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
        raise BadArguments(f"run: {shown(value)} is not the number of a run")
    return value


_WISH = (
    Argument("what", TEXT, "failed, manual_check, staging, chunks, merging, crosscheck or archive."),
    Argument("run", INTEGER, "Number of the run; all runs when left out.", None),
    Argument("chunk", INTEGER, "Number of the chunk in that run; all when left out.", None),
    Argument("kind", TEXT, "Of merging: mdst, hist or dump; all when left out.", ""),
    Argument("cause", TEXT, "Of what failed only what that made fail, such as payload:1243; none: no code.", ""),
    Argument("with_merges", TRUTH, "Whether merges that have these chunks' files are made again, too.", False),
)
_WHY = Argument("why", TEXT, "The reason, which is kept with your name; only a preview needs none.", "")


_PREVIEW = Argument("preview", TRUTH, "Only say what would be done.", False)
_SEEN = Argument("seen", TEXT, "What a preview answered as ``seen``: nothing is done if that is not so any more.", "")


@described("POST", takes=(_NAME, *_WISH, _WHY, _PREVIEW, _SEEN))
@csrf_exempt
@allow(Role.PRODUCTION)
@_answered("POST")
def resend(request: HttpRequest, identity: Identity) -> Any:
    """Make a part of the task ``name`` again with all that follows from it, or, by ``preview``, say what that is."""
    body = _body(request, {"name", "what"}, {"run", "chunk", "kind", "with_merges", "cause", "why", "preview", "seen"})
    wish = logic.wish_of(body)
    if body.get("preview"):
        return logic.preview_resend(_text(body["name"], "name"), wish).as_json()
    name, seen = _text(body["name"], "name"), _text(body.get("seen", ""), "seen")
    return resend_json(logic.resend_task(name, wish, by=identity.name, why=body.get("why", ""), seen=seen))


@described(
    "POST", takes=(Argument("resend", INTEGER, "Number of the resend."), Argument("why", TEXT, "The reason.", ""))
)
@csrf_exempt
@allow(Role.PRODUCTION)
@_answered("POST")
def undo_resend(request: HttpRequest, identity: Identity) -> Any:
    """Put everything back to what it was before a resend, as long as nothing new has run."""
    body = _body(request, {"resend"}, {"why"})
    number, why = body["resend"], _text(body.get("why", ""), "why")[:400]
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
        raise BadArguments(f"resend: {shown(number)} is not the number of a resend")
    return resend_json(logic.undo_resend(number, by=identity.name, why=why))


@described("GET", takes=(_NAME,))
@allow(*READERS)
@_answered("GET")
def list_resends(request: HttpRequest, identity: Identity) -> Any:
    """Answer the latest resends of the task ``name``: who, when, why, what, and whether they were undone."""
    arguments = _query(request, {"name"}, set())
    return [resend_json(one) for one in resends_of(logic.task_of(arguments["name"]))]


_CHANGES = (
    Argument("priority", INTEGER, "Of its processing jobs.", None),
    Argument("merging_priority", INTEGER, "Of its merges.", None),
    Argument("max_attempts", INTEGER, "Attempts of each of its jobs.", None),
    Argument("queue", TEXT, "Where its next jobs go.", None),
    Argument("site", TEXT, "Where its next jobs go, with the site's queue, merging queue and software area.", None),
    Argument("tape", TEXT, "The storage whose tapes take its files that were not asked for yet; '-': none.", None),
    Argument("limits", OBJECT, "Its own limits, instead of those that it has.", None),
)


@described("POST", takes=(_NAME, *_CHANGES, _WHY))
@csrf_exempt
@allow(Role.PRODUCTION)
@_answered("POST")
def change_task(request: HttpRequest, identity: Identity) -> Any:
    """Change the task ``name`` on its way; its jobs that no pilot has are sent anew, as the task is then."""
    body = _body(request, {"name"}, {*steering.CHANGEABLE, "why"})
    said = {field: body[field] for field in steering.CHANGEABLE if body.get(field) is not None}
    task = steering.change_task(_text(body["name"], "name"), said, by=identity.name, why=body.get("why", ""))
    return queries.task_json(task)


_FIELDS = ("what", "run", "chunk", "kind", "with_merges", "cause", "groups", "why")
_PAGE = "production/resend.html"


@everyone(because="it lets in people who have logged in, and are administrators or of the group production")
def show_resend(request: HttpRequest, name: str) -> HttpResponse:
    """Show what a resend of a part of the task would make again; do it when that is confirmed, or undo one."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), str(settings.LOGIN_URL))
    if not may_read(request.user):
        return redirect("welcome")
    task = queries.find_task(name)
    if task is None:
        return answer_page(request, "monitor/missing.html", {"what": "task", "name": name}, status=404)
    said = _said(request.POST if request.method == "POST" else request.GET)
    shown: dict[str, Any] = {"task": task, "said": said, "may_act": may_produce(request.user)}
    shown |= {"whats": [(what.value, words) for what, words in WORDS.items()], "kinds": MergeKind.choices}
    shown["resends"] = [resend_json(one) for one in resends_of(task)]
    if request.method == "POST":
        return _act(request, name, shown)
    if said["what"]:
        try:
            shown["preview"] = logic.preview_resend(name, logic.wish_of(said)).as_json()
        except logic.TaskRefused as refused:
            return answer_page(request, _PAGE, {**shown, "wrong": str(refused)}, status=400)
    else:
        said["what"] = What.FAILED.value
    return answer_page(request, _PAGE, shown)


def _said(fields: QueryDict) -> dict[str, str]:
    said = {name: fields.get(name, "").strip() for name in _FIELDS}
    return {**said, "groups": ",".join(fields.getlist("groups"))}


def _act(request: HttpRequest, name: str, shown: dict[str, Any]) -> HttpResponse:
    by = request.user.get_username()
    if not shown["may_act"]:
        wrong = f"{by} may only look; an administrator can put you into the group {Role.PRODUCTION.value}"
        return answer_page(request, _PAGE, {**shown, "wrong": wrong}, status=403)
    try:
        undone = request.POST.get("undo", "")
        if undone:
            number = int(undone) if undone.isascii() and undone.isdigit() and len(undone) < 19 else 0
            logic.undo_resend(number, by=by, why=storable(shown["said"]["why"])[:400])
        else:
            wish, seen = logic.wish_of(shown["said"]), request.POST.get("seen", "")
            logic.resend_task(name, wish, by=by, why=shown["said"]["why"], seen=seen)
    except logic.TaskRefused as refused:
        return answer_page(request, _PAGE, {**shown, "wrong": str(refused), **_anew(name, shown["said"])}, status=400)
    return redirect("resend", name=name)


def _anew(name: str, said: Mapping[str, str]) -> dict[str, Any]:
    """Answer the preview as it is now, for who was refused; nothing where there is none."""
    try:
        return {"preview": logic.preview_resend(name, logic.wish_of(said)).as_json()} if said["what"] else {}
    except logic.TaskRefused:
        return {}


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
        raise BadArguments(f"{key}: {shown(value)} is not text")
    return str(TEXT.read(value))  # without what no database keeps
