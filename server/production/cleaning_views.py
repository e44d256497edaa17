"""The page of a task's clean-up: what would be removed, what is kept and why, how far it is, and orders about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from pilot.contract.codec import shown
from server.accounts.rules import everyone, may_produce
from server.lib.http import envelope
from server.lib.pages import answer_page
from server.lib.texts import storable
from server.production import queries
from server.production.cleanup import logic
from server.production.draft_views import WHO, may_only_look, not_let_in, refused_page
from server.production.logic import TaskRefused
from server.production.models import Task
from server.production.states import TaskState

_PAGE = "production/clean.html"
_ACTS = ("clean", "keep", "release")


@everyone(because=WHO)
def show_cleaning(request: HttpRequest, name: str) -> HttpResponse:
    """Show what clean-up does with a task's files; have it done now, have the task kept, or not kept any more."""
    if answer := not_let_in(request, ("GET", "HEAD", "POST")):
        return answer
    task = queries.find_task(name)
    if task is None:
        return answer_page(request, "monitor/missing.html", {"what": "task", "name": name}, status=404)
    if request.method == "POST":
        return _act(request, task)
    found = logic.preview(name)
    if "json" in request.GET:
        return envelope(found)
    return _show(request, task, found)


def _show(request: HttpRequest, task: Task, found: Mapping[str, Any], **more: Any) -> HttpResponse:
    kinds = found["remove"].values()
    context: dict[str, Any] = {
        **{"page": "tasks", "task": task, "found": found, "may_act": may_produce(request.user)},
        "files": sum(one["files"] for one in kinds),
        "bytes": sum(one["bytes"] for one in kinds),
        "because": _not_now(task, found),
        **more,
    }
    return answer_page(request, _PAGE, context, status=409 if more.get("wrong") else 200)


def _not_now(task: Task, found: Mapping[str, Any]) -> str:
    """Say why nothing can be removed now; empty where it can."""
    if task.state != TaskState.ARCHIVED:
        return f"the task is {TaskState(task.state).label}: only of archived tasks files are removed"
    if found["kept_by"]:
        return f"the task is kept: {found['kept_by']}"
    return "" if found["remove"] or found["failed"] else "there is nothing that may be removed"


def _act(request: HttpRequest, task: Task) -> HttpResponse:
    by, act = request.user.get_username(), request.POST.get("act", "")
    back = reverse("clean-task", args=[task.name])
    if not may_produce(request.user):
        return refused_page(request, back, may_only_look(by), 403)
    if act not in _ACTS:
        return refused_page(request, back, f"act: {shown(act)} is none of {', '.join(_ACTS)}", 400)
    why = storable(request.POST.get("why", ""))
    try:
        if act == "clean":
            logic.clean_now(task.name, by=by, why=why)
        else:
            logic.keep_task(task.name, keep=act == "keep", by=by, why=why)
    except TaskRefused as refused:
        return _show(request, task, logic.preview(task.name), wrong=str(refused), why=why)
    return redirect(back)
