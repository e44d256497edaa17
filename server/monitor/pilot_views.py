"""The pages on pilots: which there are, one with its life and its jobs, and what its batch job has written."""

from __future__ import annotations

import re
from typing import Any, cast
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from pilot.contract.codec import ContractError
from server.accounts.rights import queues_of, was_given
from server.accounts.rules import Identity, may_produce
from server.lib.http import envelope, refusal
from server.lib.pages import wants_json
from server.monitor import pilotlog
from server.monitor import pilots as gathered
from server.monitor.access import readable, readable_by
from server.monitor.paging import page
from server.pilots import queries as pilots


@readable
@require_safe
def show_pilots(request: HttpRequest) -> HttpResponse:
    """Show pilots by what is asked for, latest first, and how many are in which state."""
    said = {name: text for name, text in request.GET.dict().items() if name != "json"}
    try:
        question = gathered.read_question(said, timezone.now())
    except ContractError as wrong:
        return _slip(request, "pilots", wrong, said=said, states=pilots.STATES)
    found = gathered.contents(question)
    if wants_json(request):
        return envelope(found.as_json())
    kept = {name: text for name, text in question.said.items() if text and name not in ("before", "after")}
    of_any_state = {name: text for name, text in kept.items() if name != "state"}
    context: dict[str, Any] = {"page": "pilots", "said": question.said, "states": pilots.STATES, "found": found.page}
    context |= {"counts": found.states, "kept": urlencode(kept), "any_state": urlencode(of_any_state)}
    return page(request, "pilots", context)


@readable
@require_safe
def show_nodes(request: HttpRequest) -> HttpResponse:
    """Show on which nodes pilots ended in the last days, those first where most went wrong."""
    said = {name: text for name, text in request.GET.dict().items() if name != "json"}
    try:
        found = gathered.nodes(said, timezone.now())
    except ContractError as wrong:
        return _slip(request, "nodes", wrong, said=said)
    if wants_json(request):
        return envelope(found.as_json())
    return page(request, "nodes", {"page": "pilots", **vars(found), "said": said, "most": gathered.NODES})


@readable_by
@require_safe
def show_pilot(request: HttpRequest, identity: Identity | None, number: int) -> HttpResponse:
    """Show one pilot: its life, how it ended, its jobs, and its texts to whom may read them."""
    found = gathered.pilot_page(number)
    if found is None:
        return _missing(request, number)
    if wants_json(request):
        return envelope(found.as_json())
    context = {
        **{"page": "pilots", "pilot": found.pilot, "said": pilots.pilot_json(found.pilot), "attempts": found.attempts},
        **{"life": found.life, "files": found.files, "not_shown": found.not_shown},
        **{"may_read": _may_read(request, identity, found.pilot.queue)},
    }
    return page(request, "pilot", context)


@readable_by
@require_safe
def show_pilot_log(request: HttpRequest, identity: Identity | None, number: int, name: str) -> HttpResponse:
    """Show a part of a text of a pilot's batch job, its end if nothing is said; or the bytes of a range as they are."""
    pilot = pilots.find_pilot(number)
    if pilot is None:
        return _missing(request, number)
    if not _may_read(request, identity, pilot.queue):
        words = "what pilots write is shown to production, to administrators, and to those of the pilot's site"
        return _no_log(request, pilot, name, words, 403)
    try:
        if "raw" in request.GET:
            return _bytes(request, pilot.directory, name)
        window = pilotlog.read_log(pilot.directory, name, **_part(request.GET.dict()))
    except ContractError as wrong:
        return _no_log(request, pilot, name, str(wrong), 400)
    except pilotlog.NoLog as wrong:
        return _no_log(request, pilot, name, str(wrong), 404)
    if wants_json(request):
        return envelope(window.as_json())
    earlier = max(0, window.start - pilotlog.USUAL) if window.start else None
    context = {"page": "pilots", "pilot": pilot, "window": window, "earlier": earlier, "name": name}
    return page(request, "pilot_log", {**context, "later": window.end if window.end < window.size else None})


def _slip(request: HttpRequest, name: str, wrong: ContractError, **form: Any) -> HttpResponse:
    """Say what of a question cannot be answered, on the page with its form."""
    if wants_json(request):
        return refusal(request, str(wrong), status=400)
    return page(request, name, {"page": "pilots", "wrong": str(wrong), **form}, status=400)


def _missing(request: HttpRequest, number: int) -> HttpResponse:
    words = f"pilot {number}"
    if wants_json(request):
        return refusal(request, f"there is no {words}", status=404)
    return page(request, "missing", {"what": "pilot", "name": words}, status=404)


def _no_log(request: HttpRequest, pilot: Any, name: str, words: str, status: int) -> HttpResponse:
    if wants_json(request) or "raw" in request.GET:
        return refusal(request, words, status=status)
    return page(request, "pilot_log", {"page": "pilots", "pilot": pilot, "name": name, "wrong": words}, status=status)


def _may_read(request: HttpRequest, identity: Identity | None, queue: str) -> bool:
    """Say whether somebody may read what pilots of a queue write."""
    if identity is not None:
        return identity.may_act_on(owner="", queue=queue)
    user = request.user
    if not user.is_authenticated:
        return True  # the settings open the pages to this very machine
    return may_produce(user) or was_given(user, "pilots.view_pilot") or queue in queues_of(user)


def _part(said: dict[str, str]) -> dict[str, int]:
    """Read which part is asked for.

    Raises:
        ContractError: a number is none.
    """
    part = {}
    for name in ("start", "length"):
        if text := said.get(name, ""):
            if not (text.isascii() and text.isdigit() and len(text) < 16):
                raise ContractError(f"{name}: {text[:40]!r} is not a number of bytes", field_name=name)
            part[name] = int(text)
    return part


_RANGE = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))")


def _bytes(request: HttpRequest, directory: str, name: str) -> HttpResponse:
    """Answer bytes as they are but for secrets: those of the range that is asked for by HTTP, or all, as a stream."""
    content_type = "text/plain; charset=utf-8"
    headers = {
        **{"Accept-Ranges": "bytes", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
        **{"Content-Security-Policy": "default-src 'none'; sandbox"},
    }
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    if not asked:
        whole = pilotlog.stream_log(directory, name)
        return cast("HttpResponse", StreamingHttpResponse(whole, content_type=content_type, headers=headers))
    if asked[3]:
        window = pilotlog.read_log(directory, name, length=int(asked[3]))
    else:
        first = int(asked[1])
        length = int(asked[2]) - first + 1 if asked[2] else pilotlog.MOST
        window = pilotlog.read_log(directory, name, start=first, length=length)
    if not window.content:
        return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{window.size}"})
    headers["Content-Range"] = f"bytes {window.start}-{window.end - 1}/{window.size}"
    return HttpResponse(window.content, status=206, content_type=content_type, headers=headers)
