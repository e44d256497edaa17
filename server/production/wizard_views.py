"""The form for a new task, or for a draft that is corrected: shown, checked while it is filled in, and saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse

from server.accounts.rules import everyone, may_produce
from server.lib.http import envelope, json_response
from server.lib.pages import answer_page
from server.lib.texts import storable
from server.production import logic, queries
from server.production.columns import definition_of
from server.production.definition import BadDefinition
from server.production.draft_views import WHO, may_only_look, not_let_in, refused_page
from server.production.models import Task
from server.production.redefining import ChangedMeanwhile, redefine_task, version_of
from server.production.reference.choosing import without_filled
from server.production.reference.kinds import Kind
from server.production.reference.known import Known, read_known
from server.production.reference.models import SoftwareRelease
from server.production.states import TaskState
from server.production.wizard.choices import choices_of, kinds_of
from server.production.wizard.form import Widget, fields_of, read_form, sections_of, write_form
from server.production.wizard.look import Looked, look, look_at_all

_FORM = "production/wizard.html"
#: A definition is copied without these: they are what makes it another task.
_OWN = ("name", "slot")


@everyone(because=WHO)
def new_task(request: HttpRequest) -> HttpResponse:
    """Show the form for a new task, empty or like another one; check it, or save the draft."""
    if answer := not_let_in(request, ("GET", "HEAD", "POST")):
        return answer
    known = read_known()
    if request.method == "POST":
        return _take_form(request, known, None)
    written: dict[str, str] = {}
    if like := request.GET.get("like", ""):
        other = queries.find_task(like)
        if other is None:
            return answer_page(request, "monitor/missing.html", {"what": "task", "name": like}, status=404)
        written = write_form({name: value for name, value in _said_by(other, known).items() if name not in _OWN})
    written |= _type(request)
    return _show_form(request, known, written, None, like=like)


@everyone(because=WHO)
def change_draft(request: HttpRequest, name: str) -> HttpResponse:
    """Show the form with a draft's fields; check it, or write it over the draft."""
    if answer := not_let_in(request, ("GET", "HEAD", "POST")):
        return answer
    task = queries.find_task(name)
    if task is None:
        return answer_page(request, "monitor/missing.html", {"what": "task", "name": name}, status=404)
    if task.state != TaskState.DRAFT:
        wrong = f"{name} is {task.get_state_display()}: only a draft can be defined anew"
        return refused_page(request, reverse("task", args=[name]), wrong, 400)
    known = read_known()
    if request.method == "POST":
        return _take_form(request, known, task)
    written = write_form(_said_by(task, known)) | _type(request)
    return _show_form(request, known, written, task, seen=version_of(task))


@everyone(because=WHO)
def check_form(request: HttpRequest) -> HttpResponse:
    """Answer what is to be said of the fields that are filled in so far: slips, notes and names of files."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not may_produce(request.user):
        return json_response({"success": False, "message": "log in as a production manager"}, status=403)
    written = _written(request)
    kind = _kind(read_known(), written)
    if kind is None:
        return json_response({"success": False, "message": "type: choose one first"}, status=400)
    said, slips = read_form(written, kind.chain, kind.word)
    draft = queries.find_task(request.POST.get("draft", ""))
    found = look(said, kind, besides=draft)
    found.slips |= slips
    return envelope(found.as_json())


def _said_by(task: Task, known: Known) -> dict[str, Any]:
    """Answer what people have said of a task: what followed from that follows again."""
    return without_filled(definition_of(task), known, list(SoftwareRelease.objects.filter(enabled=True)))


def _type(request: HttpRequest) -> dict[str, str]:
    chosen = str(request.GET.get("type", ""))
    return {"type": chosen} if chosen else {}


def _written(request: HttpRequest) -> dict[str, str]:
    return {name: storable(text) for name, text in request.POST.items() if isinstance(text, str)}


def _kind(known: Known, written: Mapping[str, str]) -> Kind | None:
    return next((kind for kind in kinds_of(known) if kind.word == written.get("type")), None)


def _take_form(request: HttpRequest, known: Known, task: Task | None) -> HttpResponse:
    """Check what was written, and save it if that is asked for and nothing is wrong."""
    by, written = request.user.get_username(), _written(request)
    kind, seen = _kind(known, written), written.get("seen", "")
    if not may_produce(request.user):
        return _show_form(request, known, written, task, wrong=may_only_look(by), status=403)
    if kind is None:
        return _show_form(request, known, written, task, wrong="type: choose one of these first", status=400)
    said, slips = read_form(written, kind.chain, kind.word)
    if written.get("act") == "save" and not slips:
        try:
            saved = redefine_task(task.name, said, by=by, seen=seen) if task else logic.define_task(said, by=by)
            return redirect("dry-run", name=saved.name)
        except BadDefinition as bad:
            slips = bad.slips
        except ChangedMeanwhile as changed:
            wrong = f"{changed}. What stands in the form is yours: saving it once more writes it over theirs."
            return _show_form(request, known, written, task, wrong=wrong, seen=changed.seen, status=409)
        except logic.TaskRefused as refused:
            return _show_form(request, known, written, task, wrong=str(refused), seen=seen, status=409)
    if slips:
        looked = look(said, kind, besides=task)
        looked.slips = {**looked.slips, **slips}
    else:
        looked = look_at_all(said, kind, besides=task)
    status = 400 if written.get("act") == "save" else 200
    return _show_form(request, known, written, task, looked=looked, seen=seen, status=status)


def _show_form(
    request: HttpRequest,
    known: Known,
    written: Mapping[str, str],
    task: Task | None,
    *,
    looked: Looked | None = None,
    status: int = 200,
    **more: str,
) -> HttpResponse:
    """Show the form; ``more`` are ``wrong``: why nothing was done, ``like``: the task it is a copy of, ``seen``."""
    kind = _kind(known, written)
    shown: dict[str, Any] = {
        **more,
        "task": task,
        "kind": kind,
        "kinds": kinds_of(known),
        "may_act": may_produce(request.user),
        "who": request.user.get_username(),
        "body_limit": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        "looked": looked,
    }
    if kind is not None:
        shown["sections"] = _sections(kind, known, written, looked or Looked())
        names = fields_of(kind.chain)
        others = {name: words for name, words in (looked.slips if looked else {}).items() if name not in names}
        shown["others"] = others
    return answer_page(request, _FORM, shown, status=status)


def _sections(kind: Kind, known: Known, written: Mapping[str, str], looked: Looked) -> list[dict[str, Any]]:
    choices = choices_of(kind, known)
    sections = []
    for section in sections_of(kind.chain):
        fields = []
        for field in section.fields:
            text = written.get(field.name, "")
            offered = choices.get(field.name, [])
            if field.widget is Widget.TRUTH:
                offered = [("yes", "yes"), ("no", "no")]
            if field.widget is Widget.CHOICE and text and text not in {value for value, _ in offered}:
                offered = [*offered, (text, f"{text} (not there)")]
            fields.append(
                {
                    "field": field,
                    "kind": "choice" if field.widget is Widget.TRUTH else field.widget.value,
                    "text": text,
                    "choices": offered,
                    "slip": looked.slips.get(field.name, ""),
                    "note": looked.notes.get(field.name, ""),
                }
            )
        is_open = not section.folded or any(one["text"] or one["slip"] for one in fields)
        sections.append({"title": section.title, "folded": section.folded, "open": is_open, "fields": fields})
    return sections
