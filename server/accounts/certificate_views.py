"""Logging in by the certificate that a browser shows to the web server in front."""

from __future__ import annotations

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET

from server.accounts import sessions
from server.accounts.addresses import address_of
from server.accounts.certificate_logins import account_of
from server.accounts.certificates import certificate_of, secret_in
from server.accounts.passwords import FAILURES, WINDOW
from server.accounts.rules import everyone
from server.accounts.subjects import BadFront
from server.accounts.welcome import whom_to_ask
from server.lib import metrics
from server.lib.pages import answer_page

log = logging.getLogger(__name__)


def subject_shown(request: HttpRequest) -> str:
    """Answer the subject of the certificate that a browser shows; "" when there is none that is believed."""
    try:
        certificate = certificate_of(request.META, secret_in(settings.ENVIRONMENT.front_secret_file))
    except BadFront:
        return ""
    return "" if certificate is None else certificate.subject


@everyone(because="who has not logged in yet does it by this; a web server in front has verified the certificate")
@require_GET
def log_in(request: HttpRequest) -> HttpResponse:
    """Log in whom the front's certificate is of, and lead to where somebody wanted to go."""
    secret = secret_in(settings.ENVIRONMENT.front_secret_file)
    address, rate = address_of(request.META, secret), settings.ENVIRONMENT.login_failures / WINDOW
    if FAILURES.wait_of(address, rate):
        text = "too many logins were refused at your address; try again in ten minutes"
        return _refuse(request, text, "too_many_logins", status=429)
    try:
        certificate = certificate_of(request.META, secret)
        if certificate is None:
            text = "your browser shows no certificate that the web server in front has verified; import one from an "
            return _refuse(request, f"{text}authority that it knows, and open a new window", "no_certificate")
        sessions.begin(request, account_of(certificate.subject), by="certificate", subject=certificate.subject)
    except sessions.LoginRefused as refused:
        FAILURES.take(address, rate)
        return _refuse(request, str(refused), "certificate_refused")
    except BadFront as bad:
        FAILURES.take(address, rate)
        return _refuse(request, str(bad), "unproven_certificate")
    after = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(after, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(after if is_ours else reverse(settings.LOGIN_REDIRECT_URL))


def _refuse(request: HttpRequest, words: str, reason: str, *, status: int = 403) -> HttpResponse:
    metrics.refused(reason)
    log.warning("refused (%s) at the login by certificate: %s", reason, words)
    shown = {"page": "login", "words": words, "whom": whom_to_ask()}
    return answer_page(request, "accounts/certificate_refused.html", shown, status=status)
