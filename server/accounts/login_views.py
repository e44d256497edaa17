"""Logging in and out at the pages: for everybody with an account, whether or not the admin is for them."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from server.accounts.certificate_views import subject_shown
from server.accounts.issuers import issuers_in
from server.accounts.lifetimes import WHY
from server.accounts.oidc import login_of
from server.accounts.rules import everyone
from server.accounts.sessions import BY
from server.lib.pages import answer_page


class NamedForm(AuthenticationForm):
    """Django's own, whose words tell what to do about an account that is not let in."""

    error_messages = {
        "invalid_login": "No account has this name and this password. After too many tries none is looked at for a "
        "while; an administrator can set another password.",
        "inactive": "This account is switched off; ask an administrator.",
    }


class _Login(LoginView):
    authentication_form = NamedForm
    redirect_authenticated_user = True

    def render_to_response(self, context: dict[str, Any], **_: Any) -> HttpResponse:
        status = 400 if context["form"].errors else 200
        shown = {"page": "login", "form": context["form"], "after": self.get_redirect_url()}
        doors = [one.login for one in issuers_in(settings.ENVIRONMENT.issuers_file).values() if one.login]
        shown |= {
            "issuers": doors,
            "subject": subject_shown(self.request),
            "ended": WHY.get(self.request.GET.get("ended", ""), ""),
            "left": next((one for one in doors if one.name == self.request.GET.get("left")), None),
        }
        return answer_page(self.request, "accounts/login.html", shown, status=status)


_log_in, _log_out = _Login.as_view(), LogoutView.as_view(next_page="login")


@everyone(because="who has not logged in yet does it here")
@sensitive_post_parameters("password")
def log_in(request: HttpRequest) -> HttpResponse:
    """Ask for name and password, and lead to where somebody wanted to go."""
    return cast("HttpResponse", _log_in(request))


@everyone(because="it ends the session of who asks, and does nothing for others")
def log_out(request: HttpRequest) -> HttpResponse:
    """End a session; who came from an issuer finds there how to leave it, too."""
    by = request.session.get(BY, "")
    answer = _log_out(request)
    is_over = request.method == "POST" and login_of(issuers_in(settings.ENVIRONMENT.issuers_file), by)
    return redirect(f"{reverse('login')}?left={by}") if is_over else answer
