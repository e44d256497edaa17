"""The one function by which somebody becomes logged in, however it was proven who that is."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest

from server.accounts.models import Person

#: Who loads accounts of sessions.
_BACKEND = "server.accounts.passwords.LimitedBackend"

#: Under which a session says how it began.
BY = "compass.by"
#: Under which it says when that was, and when somebody was last there, in seconds since 1970.
BEGUN, SEEN = "compass.begun", "compass.seen"
#: Under which it has the subject of the certificate that it is bound to.
SUBJECT = "compass.subject"


class LoginRefused(Exception):
    """Somebody is known, and not let in; the text says why and whom to ask."""


def begin(request: HttpRequest, user: User, *, by: str, subject: str = "") -> None:
    """Log somebody in who has proven who it is; the session gets a new key.

    Args:
        request: The one in hand.
        user: The account.
        by: How it was proven, for people to read: "password", "certificate", the name of an issuer.
        subject: Of the certificate that the session ends with.

    Raises:
        LoginRefused: the account is switched off, or its person is banned.
    """
    if words := why_refused(user):
        raise LoginRefused(words)
    login(request, user, backend=_BACKEND)
    request.session[BY] = by
    if subject:
        request.session[SUBJECT] = subject


def note_beginning(request: HttpRequest | None, **_: Any) -> None:
    """Have a session say when it began, whoever begins it; it is bound to no certificate until `begin` says so."""
    if request is not None and hasattr(request, "session"):
        request.session[BEGUN] = request.session[SEEN] = time.time()
        request.session.pop(SUBJECT, None)
        request.session.pop(BY, None)


def why_refused(user: User) -> str:
    """Say why an account may not log in; "" when it may."""
    if not user.is_active:
        return f"the account {user.get_username()} is switched off; ask an administrator"
    person: Person | None = getattr(user, "person", None)
    if person is not None and person.banned_at is not None:
        because = person.banned_because or "no reason was given"
        return f"{person.name} is banned: {because}; ask an administrator"
    return ""
