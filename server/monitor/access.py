"""Who may look at the pages: users who have logged in, tokens that read, and this machine where settings say so."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from pilot.contract.messages import StatusCode
from server.accounts.rights import may_read
from server.accounts.rules import READERS, REFUSED_FOR, Identity, allow, everyone
from server.lib.http import refusal
from server.lib.pages import wants_json

View = Callable[..., HttpResponse]


def readable(view: View) -> View:
    """Guard a page that only reads, and shows the same to all who may read."""

    @wraps(view)
    def without_identity(request: HttpRequest, _: Identity | None, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs)

    return readable_by(without_identity)


def readable_by(view: View) -> View:
    """Guard a page that only reads; it gets who asks after the request: nothing for who may see it all."""

    @allow(*READERS)
    def with_token(request: HttpRequest, identity: Identity, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, identity, *args, **kwargs)

    @everyone(because="it lets in who has logged in, tokens that read, and this machine where the local start says so")
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_open_to(request) or may_read(request.user):
            return view(request, None, *args, **kwargs)
        if request.user.is_authenticated:
            return _greet(request)
        if "Authorization" in request.headers or wants_json(request):
            return with_token(request, *args, **kwargs)
        if _has_certificate(request):
            answer = with_token(request, *args, **kwargs)
            is_new = request.META.get(REFUSED_FOR) == "unknown_certificate"
            if not (is_new and "text/html" in request.headers.get("Accept", "")):
                return answer
        return redirect_to_login(request.get_full_path(), str(settings.LOGIN_URL))

    return guarded


def _greet(request: HttpRequest) -> HttpResponse:
    """Lead somebody without rights to the page that says whom to ask; a program is told in words."""
    if not wants_json(request):
        return redirect("welcome")
    words = f"the account {request.user.get_username()} has no rights here; {reverse('welcome')} says whom to ask"
    return refusal(request, words, status=403, code=StatusCode.PERMISSION_DENIED, reason="no_rights")


def _has_certificate(request: HttpRequest) -> bool:
    """Say whether a web server in front tells of a certificate; whether it may is seen where it is looked at."""
    return request.headers.get("X-Compass-Verified") == "SUCCESS"


def is_open_to(request: HttpRequest) -> bool:
    """Say whether no login is needed: ``open_pages`` is set, and the request comes from this very machine.

    A request that another server passes on also comes from this machine; it names whom it is passed on for.
    """
    passed_on = {"X-Forwarded-For", "Forwarded", "X-Compass-Front"} & set(request.headers)
    return bool(settings.ENVIRONMENT.open_pages) and not passed_on and _is_loopback(request)


def _is_loopback(request: HttpRequest) -> bool:
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
