"""Logins, as Django tells of them: who came in, who left, and who was not let in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from server.trail.logic import note
from server.trail.states import Action

#: What stands for a name that no account has: people write passwords into the wrong field.
UNKNOWN = "(no such account)"


def logged_in(sender: object, request: HttpRequest | None, user: AbstractBaseUser, **_: object) -> None:
    """Note that somebody has logged in."""
    if request is not None:
        note(request, Action.LOGIN, "logged in", table="session", person=user.get_username())


def logged_out(sender: object, request: HttpRequest | None, user: AbstractBaseUser | None, **_: object) -> None:
    """Note that somebody has logged out; nobody does so whose session had ended."""
    if request is not None and user is not None:
        note(request, Action.LOGOUT, "logged out", table="session", person=user.get_username())


def refused(sender: object, credentials: Mapping[str, Any], request: HttpRequest | None = None, **_: object) -> None:
    """Note that a login was refused."""
    if request is None:
        return
    name = str(credentials.get("username") or "")[:150].replace("\0", "")
    accounts = get_user_model()._default_manager
    is_known = bool(name) and accounts.filter(username=name).exists()
    note(request, Action.REFUSED, "login refused", table="session", person=name if is_known else UNKNOWN)
