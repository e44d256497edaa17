"""My account: who I am here, what I may do and by whom, and the tokens of my scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from server.accounts import logic, own_tokens
from server.accounts.logic import TokenRefused
from server.accounts.models import GivenRight, Login, Person, Role, SiteRight
from server.accounts.own_tokens import DAYS, MOST_DAYS
from server.accounts.rights import GROUPS, groups_of, may_read, queues_of, token_roles
from server.accounts.rules import everyone
from server.accounts.sessions import BY
from server.accounts.welcome import whom_to_ask
from server.lib.pages import answer_page
from server.trail.logic import note

View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Held:
    """One right: its name, what it is for, and who gave it."""

    name: str
    what: str
    by: str


def _mine(view: View) -> View:
    """Guard what is about the account in whose session it is asked."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            where = request.get_full_path() if request.method == "GET" else "/account"
            return redirect_to_login(where, str(settings.LOGIN_URL))
        return view(request, *args, **kwargs)

    return guarded


@everyone(because="it shows the account of whoever has logged in, and leads others to the login")
@require_GET
@_mine
def account(request: HttpRequest) -> HttpResponse:
    """Show who somebody is here."""
    return _show(request)


@everyone(because="it makes tokens of the account of whoever has logged in, no higher than its rights")
@require_POST
@_mine
def make_token(request: HttpRequest) -> HttpResponse:
    """Make a token, and show it for the only time."""
    said = request.POST.dict()
    try:
        wish = own_tokens.read(said)
        name, token = own_tokens.make(_account(request), wish)
    except TokenRefused as refused:
        return _show(request, wrong=str(refused), said=said, status=400)
    what = f"made the token {name} of the role {wish.role.value} for {wish.days} days"
    note(request, "change", what, table="accounts.token", key=name)
    return _show(request, made=name, token=token)


@everyone(because="it ends a token of the account of whoever has logged in")
@require_POST
@_mine
def revoke_token(request: HttpRequest, number: int) -> HttpResponse:
    """End a token of one's own, whoever has made it."""
    mine = own_tokens.tokens_of(Person.objects.filter(account=_account(request)).first())
    found = next((one for one in mine if one.pk == number), None)
    if found is None:
        return _show(request, wrong="this token is not yours, or was revoked already; nothing was done", status=404)
    logic.revoke_token(found.name)
    note(request, "change", f"revoked the token {found.name}", table="accounts.token", key=found.name)
    return redirect("account")


def _account(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _show(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    user = _account(request)
    person = Person.objects.filter(account=user).first()
    queues = sorted(queues_of(user))
    roles = [role for role in token_roles(user) if role is not Role.SITE_ADMIN or queues]
    shown = {
        "page": "account",
        "account": user,
        "person": person,
        "by": request.session.get(BY, "password"),
        "rights": _rights(user),
        "may_read": may_read(user),
        "logins": list(Login.objects.filter(person=person)) if person else [],
        "certificates": list(user.certificates.all()),
        "ask": whom_to_ask(),
        "tokens": own_tokens.tokens_of(person),
        "roles": roles,
        "queues": queues if Role.SITE_ADMIN in roles else [],
        "said": {"days": DAYS},
        "most_days": MOST_DAYS,
    }
    return answer_page(request, "accounts/account.html", {**shown, **more}, status=status)


def _rights(user: User) -> list[Held]:
    given = dict(GivenRight.objects.filter(account=user).values_list("role", "origin"))
    by_hand = "an administrator"
    found = []
    if user.is_superuser:
        found.append(Held("administrator", "may do everything", given.get(Role.ADMIN, by_hand)))
    for name in sorted(groups_of(user)):
        what = GROUPS[name].what if name in GROUPS else "what its permissions say"
        found.append(Held(f"group {name}", what, given.get(name, by_hand)))
    for right in SiteRight.objects.filter(account=user):
        found.append(Held(str(right), "changes it as site administrator", right.origin or by_hand))
    if user.user_permissions.exists():
        found.append(Held("permissions", "single ones, as the admin names them", by_hand))
    return found
