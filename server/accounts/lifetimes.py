"""When a session ends: after a while without a word, at its age, or with the certificate that it was begun by."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from server.accounts.certificate_logins import ACCOUNTS
from server.accounts.certificates import certificate_of, secret_in
from server.accounts.sessions import BEGUN, SEEN, SUBJECT
from server.accounts.subjects import BadFront
from server.lib import metrics

#: Seconds after which it is written down again that somebody is there: not with each page.
COARSE = 60.0

#: What ends a session, for the page that tells of it.
WHY = {
    "certificate": "Your browser shows another certificate now, or none, than the one that you logged in with.",
    "off": "The certificate that you logged in with was switched off here, or given to another account.",
    "age": "Your last login was long ago.",
}


class Lifetimes:
    """Looks at each session before anybody believes it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """End a session that is over; whoever looks at pages is told so, others are nobody from here on."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
            return self._get_response(request)
        why = _why_over(request)
        if not why:
            _note(request)
            return self._get_response(request)
        metrics.refused(f"session_{why}")
        logout(request)
        is_page = request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("Accept", "")
        if not is_page or request.path == reverse("login"):
            return self._get_response(request)
        return redirect(f"{reverse('login')}?{urlencode({'ended': why, 'next': request.get_full_path()})}")


def _why_over(request: HttpRequest) -> str:
    session = request.session
    if is_too_old(session, time.time(), settings.ENVIRONMENT.session_hours * 3600.0):
        return "age"
    subject = session.get(SUBJECT, "")
    if not subject:
        return ""
    if not is_shown(request.META, secret_in(settings.ENVIRONMENT.front_secret_file), subject):
        return "certificate"
    return "" if ACCOUNTS.of(subject) == request.user.pk else "off"


def is_too_old(session: Mapping[str, Any], now: float, longest: float) -> bool:
    """Say whether a session has reached its age, in seconds; one that says no beginning has not."""
    begun = session.get(BEGUN)
    return isinstance(begun, (int, float)) and not now - longest < begun <= now + longest


def is_shown(meta: Mapping[str, str], secret: str, subject: str) -> bool:
    """Say whether a front that we know tells of this very certificate."""
    try:
        certificate = certificate_of(meta, secret)
    except BadFront:
        return False
    return certificate is not None and hmac.compare_digest(certificate.subject.encode(), subject.encode())


def _note(request: HttpRequest) -> None:
    """Write down when a session began and that somebody is there, which puts off its end."""
    session, now = request.session, time.time()
    if BEGUN not in session:
        session[BEGUN] = session[SEEN] = now
    elif "X-Compass-Refresh" not in request.headers and now - session.get(SEEN, 0.0) > COARSE:
        session[SEEN] = now
