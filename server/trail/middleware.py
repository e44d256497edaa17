"""What a person's request passes through: when it was answered, it is written down who did what.

Pilots' calls, programs' hot ones, static files and pages that renew themselves are not.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException, UnreadablePostError

from server.accounts.addresses import address_of
from server.accounts.certificates import secret_in
from server.accounts.rules import CALLER, REFUSED_FOR, Identity, Role
from server.accounts.sessions import BY
from server.lib.http import dialect_of
from server.lib.rates import Rates
from server.trail import logic, reading
from server.trail.logic import Note
from server.trail.models import Entry
from server.trail.reading import Thing
from server.trail.states import Action

#: By these headers a page says that it renews itself, and that nobody has asked for it.
RENEWS = ("HTTP_X_COMPASS_REFRESH", "HTTP_HX_REQUEST")
#: Seconds after which it is written down once more that somebody has such a page open.
OPEN_FOR = 3600.0
#: Pages that a process remembers to be open.
MOST_OPEN = 5000
#: Refusals of one address that are written down: so many a second, and ten times as many at once.
REFUSALS = 2.0
#: Bytes of a call in JSON that is looked into for what it is about.
LOOKED_INTO = 65536
#: Parts of the server whose calls are those of programs, unless a token is a person's.
OF_PROGRAMS = ("server.dispatcher.", "server.harvester.", "server.dataservice.")


@dataclass(frozen=True)
class Who:
    """Whom a request is known to come from, and by what."""

    person: str
    how: str


class Trail:
    """Django's middleware, around all others but the outermost."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._open: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._refusals = Rates()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        came, began = datetime.now(UTC), time.perf_counter()
        response = self._get_response(request)
        if is_of_interest(request):
            self._write(request, response, came, time.perf_counter() - began)
        return response

    def _write(self, request: HttpRequest, response: HttpResponse, came: datetime, seconds: float) -> None:
        notes = logic.notes_of(request)
        who = who_asks(request) or (Who("", "") if notes else None)
        if who is None:
            return
        thing = _thing(request)
        notes = notes or [Note(_action(request, response, thing))]
        if self._is_to_be_left_out(request, who, notes):
            return
        common = {
            "at": came,
            "how": who.how,
            "address": address_of(request.META, secret_in(settings.ENVIRONMENT.front_secret_file)),
            "method": (request.method or "")[:8],
            "path": reading.scrubbed_path(request.path, _values(request)),
            "filters": reading.scrubbed(request.META.get("QUERY_STRING", "")),
            "outcome": response.status_code,
            "duration": round(1000 * seconds),
        }
        logic.keep([_entry(one, thing, who, request, common) for one in notes])

    def _is_to_be_left_out(self, request: HttpRequest, who: Who, notes: list[Note]) -> bool:
        action = notes[0].action
        if action is Action.REFUSED:
            address = address_of(request.META, secret_in(settings.ENVIRONMENT.front_secret_file))
            return self._refusals.take(f"{address} {who.person}", REFUSALS) > 0
        if not reading.is_safe(request.method or "") or action is Action.EXPORT:
            return False
        return any(name in request.META for name in RENEWS) and self._is_open(who.person, request.get_full_path())

    def _is_open(self, person: str, path: str) -> bool:
        """Say whether it is known that somebody has a page open: whoever claims to renew one is written down once."""
        now, key = time.monotonic(), (person, path)
        since = self._open.get(key)
        if since is not None and now - since < OPEN_FOR:
            return True
        self._open.pop(key, None)
        self._open[key] = now
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        return False


def is_of_interest(request: HttpRequest) -> bool:
    """Say whether a person may have done something here; costs a pilot's call nothing worth speaking of."""
    if logic.notes_of(request):
        return True
    match = request.resolver_match
    if match is None or reading.asks_by_itself(match.url_name or ""):
        return False
    identity: Identity | None = request.META.get(CALLER)
    if identity is None:
        return dialect_of(request) is None
    if identity.role is Role.PILOT:
        return False
    if not identity.person and match.func.__module__.startswith(OF_PROGRAMS):
        return False
    if reading.is_safe(request.method or ""):
        return "csv" in request.GET
    return dialect_of(request) is None or not reading.only_reads(request.path)


def who_asks(request: HttpRequest) -> Who | None:
    """Answer who has sent a request; nobody for strangers."""
    identity: Identity | None = request.META.get(CALLER)
    if identity is not None:
        by_token = "HTTP_AUTHORIZATION" in request.META
        return Who(identity.person or identity.name, f"token {identity.name}" if by_token else "certificate")
    # Who brings no cookie has no session; a page that asks for none costs no question because of us.
    user = getattr(request, "user", None)
    if user is None or settings.SESSION_COOKIE_NAME not in request.COOKIES or not user.is_authenticated:
        return None
    return Who(user.get_username(), _how(request))


def _how(request: HttpRequest) -> str:
    return str(request.session.get(BY, "password"))


def _values(request: HttpRequest) -> dict[str, Any]:
    match = request.resolver_match
    return {} if match is None else match.kwargs


def _thing(request: HttpRequest) -> Thing:
    match = request.resolver_match
    if match is None:
        return Thing("")
    if dialect_of(request) is not None:
        return Thing(match.route.removeprefix("api/v1/").removeprefix("server/panda/"))
    return reading.thing_of(match.route, match.url_name or "", match.kwargs)


def _action(request: HttpRequest, response: HttpResponse, thing: Thing) -> Action:
    if request.META.get(REFUSED_FOR):
        return Action.REFUSED
    is_file = "attachment" in response.headers.get("Content-Disposition", "")
    return reading.action_of(
        request.method or "", query=request.GET, verb=thing.verb, status=response.status_code, is_file=is_file
    )


def _entry(one: Note, thing: Thing, who: Who, request: HttpRequest, common: Mapping[str, object]) -> Entry:
    said = {} if reading.is_safe(request.method or "") else _said(request)
    what = one.what
    if not what and thing.table and isinstance(said.get("action"), str):
        what = said["action"]  # an order for several rows, as the admin has them
    how = who.how or ("" if one.action is Action.REFUSED else _how_now(request))
    return logic.entry(
        **{**common, "how": how},
        person=one.person or who.person,
        action=one.action,
        table=one.table or thing.table,
        key=one.key or thing.key or reading.key_in(said),
        what=what or request.META.get(REFUSED_FOR, ""),
        reason=one.reason or reading.reason_in(said),
    )


def _how_now(request: HttpRequest) -> str:
    """Say how somebody was let in who came without a session."""
    session = getattr(request, "session", None)
    return _how(request) if session is not None and BACKEND_SESSION_KEY in session else ""


def _said(request: HttpRequest) -> dict[str, Any]:
    """Answer the fields of a form, or of a call in JSON that is small."""
    if (request.content_type or "").endswith("json"):
        try:
            body = request.body if int(request.META.get("CONTENT_LENGTH") or 0) <= LOOKED_INTO else b""
            found = orjson.loads(body) if body else {}
        except (ValueError, RawPostDataException, UnreadablePostError):
            return {}
        return found if isinstance(found, dict) else {}
    return {name: values if len(values) > 1 else values[0] for name, values in request.POST.lists() if values}
