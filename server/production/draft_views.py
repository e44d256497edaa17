"""The page of a task that has not begun: what it would do, and how it is started, changed or given up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse

from pilot.contract.codec import INTEGER, TEXT, ContractError, shown
from server.accounts.rules import Role, everyone, may_produce, may_read
from server.lib.arguments import Argument, bind
from server.lib.http import envelope, json_response
from server.lib.pages import answer_page, wants_json
from server.lib.texts import storable
from server.production import logic, queries
from server.production.definition import BadDefinition
from server.production.dry_run_views import read_part, stream
from server.production.dryrun import dry_run
from server.production.dryrun.dry_run import MOST, PAGE, NoDryRun
from server.production.models import Task
from server.production.redefining import version_of
from server.production.states import TaskState

WHO = "it lets in people who have logged in, and are administrators or of the group production"
_PAGE = "production/dry_run.html"

_ASKED = (
    Argument("run", INTEGER, "", None),
    *(Argument(name, INTEGER, "", 0) for name in ("jobs_from", "merges_from", "runs_from")),
    Argument("limit", INTEGER, f"1 to {MOST}", PAGE),
    Argument("format", TEXT, "", ""),
    Argument("json", TEXT, "", ""),
)


@everyone(because=WHO)
def show_dry_run(request: HttpRequest, name: str) -> HttpResponse:
    """Show everything that a task would do, before it is started; start it, or give it up."""
    if answer := not_let_in(request, ("GET", "HEAD", "POST")):
        return answer
    task = queries.find_task(name)
    if task is None:
        if wants_json(request):
            return json_response({"success": False, "message": f"there is no task {name}"}, status=404)
        return answer_page(request, "monitor/missing.html", {"what": "task", "name": name}, status=404)
    try:
        return _act(request, task) if request.method == "POST" else _show(request, task)
    except (NoDryRun, logic.TaskRefused) as refused:
        return refused_page(request, reverse("task", args=[name]), str(refused), 400)
    except ContractError as wrong:
        return refused_page(request, reverse("dry-run", args=[name]), str(wrong), 400)


def _show(request: HttpRequest, task: Task) -> HttpResponse:
    shown: dict[str, Any] = {"task": task, "may_act": may_produce(request.user), "seen": version_of(task)}
    said = bind(_ASKED, request.GET.dict())
    try:
        found = dry_run.of_task(task)
    except BadDefinition as bad:
        if wants_json(request):
            return json_response({"success": False, "message": str(bad), "data": {"slips": bad.slips}}, status=400)
        return answer_page(request, _PAGE, {**shown, "slips": bad.slips})
    if said["format"]:
        return stream(found, said["format"])
    answer = found.answer(read_part(said))
    if wants_json(request):
        return envelope(answer)
    pages = {what: _pages(answer, what) for what in ("runs", "jobs", "merges")}
    return answer_page(request, _PAGE, {**shown, "found": answer, "pages": pages})


def _pages(found: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Answer the addresses of the rows before and after those that are shown."""
    rows, limit = found[what], found["limit"]
    first, last = rows["from"], rows["from"] + len(rows["rows"])
    run = {} if found["run"] is None else {"run": found["run"]}

    def address(start: int) -> str:
        return "?" + urlencode({**run, f"{what}_from": start, "limit": limit}) + f"#{what}"

    return {
        "first": first + 1 if last > first else 0,
        "last": last,
        "total": rows["total"],
        "before": address(max(0, first - limit)) if first else "",
        "after": address(last) if last < rows["total"] and last > first else "",
    }


def _act(request: HttpRequest, task: Task) -> HttpResponse:
    """Start a task that was looked at, or cancel it."""
    by, back = request.user.get_username(), reverse("dry-run", args=[task.name])
    act = request.POST.get("act", "")
    if not may_produce(request.user):
        return refused_page(request, back, may_only_look(by), 403)
    if act not in ("start", "cancel"):
        return refused_page(request, back, f"act: {shown(act)} is neither start nor cancel", 400)
    if not request.POST.get("sure"):
        return refused_page(request, back, f"tick that you are sure: nothing was done with {task.name}", 400)
    if request.POST.get("seen", "") != version_of(task):
        return refused_page(request, back, f"{task.name} was changed since you looked at it; look again", 409)
    if act == "start":
        logic.start_task(task.name, by=by, seen=request.POST["seen"])
    else:
        why = storable(request.POST.get("why", "").strip())[:400]
        logic.move_task(task.name, TaskState.CANCELLED.value, by=by, words=why or "given up before it began")
    return redirect("task", name=task.name)


def not_let_in(request: HttpRequest, methods: tuple[str, ...]) -> HttpResponse | None:
    """Answer who has not logged in, or calls by another method; nothing for all others."""
    if request.method not in methods:
        return HttpResponseNotAllowed(list(methods))
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), str(settings.LOGIN_URL))
    return None if may_read(request.user) else redirect("welcome")


def may_only_look(by: str) -> str:
    """Tell somebody who is no production manager so."""
    return f"{by} may only look; an administrator can put you into the group {Role.PRODUCTION.value}"


def refused_page(request: HttpRequest, back: str, wrong: str, status: int) -> HttpResponse:
    """Say why nothing was done, with a way back."""
    if wants_json(request):
        return json_response({"success": False, "message": wrong}, status=status)
    return answer_page(request, "production/not_done.html", {"wrong": wrong, "back": back}, status=status)
