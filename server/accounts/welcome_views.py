"""The page for people who have logged in and have no rights yet: what they may do, and whom to ask."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from server.accounts.rights import GROUPS, is_administrator, may_enter_desk, may_read, roles_of
from server.accounts.rules import everyone
from server.accounts.sessions import BY, SUBJECT
from server.accounts.welcome import whom_to_ask
from server.lib.pages import answer_page


@everyone(because="it tells each account of itself alone")
@require_GET
def welcome(request: HttpRequest) -> HttpResponse:
    """Say who somebody is here, what that allows, and who can allow more."""
    user = request.user
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path(), str(settings.LOGIN_URL))
    shown = {
        "page": "welcome",
        "account": user.get_username(),
        "roles": sorted(role.value for role in roles_of(user)),
        "groups": [(name, group.what, group.role in roles_of(user)) for name, group in GROUPS.items()],
        "reads": may_read(user),
        "enters": may_enter_desk(user),
        "administers": is_administrator(user),
        "by": request.session.get(BY, "password"),
        "subject": request.session.get(SUBJECT, ""),
        "whom": whom_to_ask(),
        "named": settings.ENVIRONMENT.administrators.strip(),
    }
    return answer_page(request, "accounts/welcome.html", shown)
