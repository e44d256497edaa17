"""The page on which people steer tasks, one or many: what would be done to each is shown, and done with a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from pilot.contract.codec import shown
from server.accounts.rules import everyone, may_produce
from server.lib.http import json_response
from server.lib.pages import answer_page, wants_json
from server.lib.texts import storable
from server.production import logic, steering
from server.production.definition import BadDefinition
from server.production.draft_views import WHO, may_only_look, not_let_in, refused_page
from server.production.logic import TaskRefused
from server.production.models import Chunk, Task
from server.production.queries.ways import CHANGE, WAYS, refuses
from server.production.resend.wishes import BadWish, read_reason
from server.production.states import TaskState

_PAGE = "production/steer.html"
#: Tasks of one order.
MOST = 100
#: The fields that a change may have here; a task's own limits have the command.
FIELDS = tuple(name for name in steering.CHANGEABLE if name != "limits")


@dataclass
class Line:
    """One task of an order: as it stands, why nothing can be done to it, and what came of it."""

    task: Task
    chunks: Mapping[str, int]
    refused: str = ""
    done: str = ""

    def as_json(self) -> dict[str, Any]:
        """Answer what the page shows of it."""
        told = {"name": self.task.name, "state": self.task.state, "chunks": dict(self.chunks)}
        return {**told, "refused": self.refused, "done": self.done}


@everyone(because=WHO)
def steer(request: HttpRequest) -> HttpResponse:
    """Show what an order would do to some tasks; give it when it is confirmed with a reason."""
    if answer := not_let_in(request, ("GET", "HEAD", "POST")):
        return answer
    said = request.POST if request.method == "POST" else request.GET
    names, to = list(dict.fromkeys(said.getlist("task"))), said.get("to", "")
    back = reverse("task", args=names) if len(names) == 1 else reverse("tasks")
    if to not in WAYS:
        return refused_page(request, back, f"to: {shown(to)} is none of {', '.join(WAYS)}", 400)
    if not 1 <= len(names) <= MOST:
        return refused_page(request, back, f"task: choose 1 to {MOST} tasks; these are {len(names)}", 400)
    lines = _lines(names, to)
    if missing := [name for name in names if name not in {line.task.name for line in lines}]:
        return refused_page(request, back, f"task: there is no task {shown(missing[0])}", 404)
    if request.method != "POST":
        return _show(request, lines, to, {"back": back})
    if not may_produce(request.user):
        return refused_page(request, back, may_only_look(request.user.get_username()), 403)
    return _order(request, lines, to, back)


def _order(request: HttpRequest, lines: list[Line], to: str, back: str) -> HttpResponse:
    """Give an order about each of these tasks, and tell what came of it."""
    said = request.POST
    values = {name: text for name in FIELDS if (text := storable(said.get(name, "").strip()))}
    told = {"back": back, "why": storable(said.get("why", "")), "values": values}
    try:
        why = read_reason(told["why"])
    except BadWish as bad:
        return _show(request, lines, to, {**told, "wrong": str(bad)}, status=400)
    seen = dict(one.rpartition(":")[::2] for one in said.getlist("seen"))
    for line in lines:
        _do(line, to, values, seen, by=request.user.get_username(), why=why)
    return _show(request, lines, to, {**told, "over": True}, status=200 if any(one.done for one in lines) else 409)


def _lines(names: Sequence[str], to: str) -> list[Line]:
    tasks = list(Task.objects.filter(name__in=names).defer("filelist").order_by("name"))
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    rows = Chunk.objects.filter(task__in=tasks).order_by().values_list("task", "state")
    for key, state, number in rows.annotate(n=Count("pk")):
        counts[key][state] = number
    return [Line(task, counts[task.pk], refuses(task, to)) for task in tasks]


def _do(line: Line, to: str, values: Mapping[str, Any], seen: Mapping[str, str], *, by: str, why: str) -> None:
    """Give an order about one task; what refuses it is told with it, and holds up no other."""
    if line.refused:
        return
    task = line.task
    before = seen.get(task.name, task.state)
    if before != task.state:
        line.refused = f"it was {before.replace('_', ' ')} when you looked, and has moved since; look again"
        return
    try:
        if to == CHANGE:
            line.task = steering.change_task(task.name, values, by=by, why=why)
            line.done = "changed"
        else:
            line.task = logic.move_task(task.name, to, by=by, words=why)
            line.done = TaskState(line.task.state).label
    except BadDefinition as bad:
        line.refused = "; ".join(f"{field}: {words}" for field, words in bad.slips.items())
    except TaskRefused as refused:
        line.refused = str(refused)


def _show(request: HttpRequest, lines: list[Line], to: str, more: Mapping[str, Any], status: int = 200) -> HttpResponse:
    if wants_json(request):
        told = {"to": to, "over": more.get("over", False), "tasks": [line.as_json() for line in lines]}
        wrong = more.get("wrong", "")
        return json_response({"success": status < 400, "message": wrong, "data": told}, status=status)
    can = [line for line in lines if not line.refused]
    context: dict[str, Any] = {
        **{
            "page": "tasks",
            "lines": lines,
            "to": to,
            "way": WAYS[to],
            "can": can,
            "may_act": may_produce(request.user),
        },
        "fields": [(name, more.get("values", {}).get(name, "")) for name in FIELDS] if to == CHANGE else [],
        **more,
    }
    return answer_page(request, _PAGE, context, status=status)
