"""Logging in at an issuer: the way there, the way back, and out of it again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET

from server.accounts import logic, oidc, sessions
from server.accounts.giving import give
from server.accounts.issuers import Issuer, issuers_in, meanings_of
from server.accounts.oidc import Known, NotLoggedIn, Way
from server.accounts.rules import everyone
from server.accounts.welcome import whom_to_ask
from server.lib import metrics
from server.lib.pages import answer_page

log = logging.getLogger(__name__)

#: Under which a session keeps the ways that its browser has begun, by their states.
WAYS = "compass.ways"

View = Callable[[HttpRequest, Issuer], HttpResponse]


def _at_issuer(view: View) -> Callable[[HttpRequest, str], HttpResponse]:
    """Find the issuer of an address, and tell in words what went wrong."""

    @wraps(view)
    def told(request: HttpRequest, name: str) -> HttpResponse:
        found = oidc.login_of(issuers_in(settings.ENVIRONMENT.issuers_file), name)
        if found is None:
            return _tell(request, name, "nobody logs in here by an issuer of this name", status=404)
        try:
            return view(request, found[0])
        except NotLoggedIn as wrong:
            metrics.refused(wrong.reason)
            log.warning("refused (%s) at the login %s: %s", wrong.reason, name, wrong)
            return _tell(request, name, str(wrong), status=502 if wrong.reason == "issuer_unreachable" else 403)

    return told


@everyone(because="who has not logged in yet does it by this")
@require_GET
@_at_issuer
def go(request: HttpRequest, issuer: Issuer) -> HttpResponse:
    """Send a browser to the issuer."""
    after = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(after, {request.get_host()}, require_https=request.is_secure())
    address, state, way = oidc.begin(issuer, _back(request, issuer), after if is_ours else "")
    begun = list(request.session.get(WAYS, {}).items())[1 - oidc.MOST_WAYS :]
    request.session[WAYS] = {**dict(begun), state: asdict(way)}
    return HttpResponseRedirect(address)


@everyone(because="who comes back is not logged in yet; its state proves that this browser began the way")
@require_GET
@_at_issuer
def come_back(request: HttpRequest, issuer: Issuer) -> HttpResponse:
    """Log in who has come back from the issuer, with the rights that it gives."""
    way = _way_of(request, issuer)
    if "error" in request.GET:
        words = request.GET.get("error_description") or request.GET["error"]
        title = issuer.login.title if issuer.login else way.issuer
        text = f"{title} did not log you in, and says: {words[:200]}. Begin again there, or {whom_to_ask()}."
        raise NotLoggedIn(text, reason="denied")
    known = oidc.finish(issuer, way, _back(request, issuer), request.GET.get("code", ""))
    user = _account(known)
    said = known.claims
    meanings = meanings_of(issuer, groups=said.groups, scopes=said.scopes, subject=said.subject)
    if not sessions.why_refused(user):
        give(user, issuer.address, {one.role for one in meanings}, [q for one in meanings for q in one.queues])
    try:
        sessions.begin(request, user, by=way.issuer)
    except sessions.LoginRefused as refused:
        raise NotLoggedIn(str(refused), reason="banned") from refused
    return HttpResponseRedirect(way.after or reverse(settings.LOGIN_REDIRECT_URL))


@everyone(because="it only leads to the issuer's own page; a session here is ended by /logout")
@require_GET
@_at_issuer
def leave(request: HttpRequest, issuer: Issuer) -> HttpResponse:
    """Lead to where somebody logs out at the issuer, too."""
    back = _absolute(request, issuer, reverse("login"))
    address = oidc.leave_address(issuer, back)
    return HttpResponseRedirect(address) if address else redirect("login")


def _way_of(request: HttpRequest, issuer: Issuer) -> Way:
    """Take the way that a browser comes back by; it is good once."""
    ways = request.session.get(WAYS, {})
    found: dict[str, Any] | None = ways.pop(request.GET.get("state", ""), None)
    if found is not None:
        request.session[WAYS] = ways
    if found is None or issuer.login is None or found["issuer"] != issuer.login.name:
        raise NotLoggedIn("this browser has not begun this login, or it was used already; begin again", reason="state")
    return Way(**found)


def _account(known: Known) -> Any:
    said = known.claims
    try:
        person = logic.person_of_login(said.issuer.address, said.subject, said.name)
        return logic.account_of_person(person, email=known.email)
    except logic.TokenRefused as refused:
        raise NotLoggedIn(str(refused), reason="name_taken") from refused


def _back(request: HttpRequest, issuer: Issuer) -> str:
    name = issuer.login.name if issuer.login else ""
    return _absolute(request, issuer, reverse("login_back", args=[name]))


def _absolute(request: HttpRequest, issuer: Issuer, path: str) -> str:
    given = issuer.login.address if issuer.login else ""
    return f"{given}{path}" if given else request.build_absolute_uri(path)


def _tell(request: HttpRequest, name: str, words: str, *, status: int) -> HttpResponse:
    shown = {"page": "login", "name": name, "words": words, "known": status != 404}
    return answer_page(request, "accounts/not_logged_in.html", shown, status=status)
