"""Everything that writes tokens."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.utils import timezone

from server.accounts.models import Role, Token

#: Every token begins so, which lets a scanner of secrets find one that leaked.
MARK = "cps_"

#: `last_used_at` is written at most so often.
COARSE = timedelta(hours=1)


class TokenRefused(ValueError):
    """A token cannot be made or revoked; the text says why."""


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def create_token(name: str, role: Role, *, lifetime: timedelta | None = None) -> str:
    """Make a token and answer it in clear, for the only time.

    Raises:
        TokenRefused: the name is empty or in use.
    """
    if not name or Token.objects.filter(name=name).exists():
        raise TokenRefused(f"name: {name!r} is empty or in use; choose another")
    token = MARK + secrets.token_urlsafe(32)
    expires_at = None if lifetime is None else timezone.now() + lifetime
    Token.objects.create(name=name, role=role, digest=digest_of(token), expires_at=expires_at)
    return token


def revoke_token(name: str) -> None:
    """End a token now; workers notice within a second.

    Raises:
        TokenRefused: there is no such token, or it is revoked already.
    """
    if not Token.objects.filter(name=name, revoked_at=None).update(revoked_at=timezone.now()):
        raise TokenRefused(f"name: {name!r} is no valid token; `compass-server token list` shows them all")


def note_use(token: Token, now: datetime) -> None:
    """Note that a token was used, at most once per hour."""
    if token.last_used_at is None or token.last_used_at < now - COARSE:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)


def set_expiry(name: str, expires_at: datetime | None) -> None:
    """Change when a token ends."""
    Token.objects.filter(name=name).update(expires_at=expires_at)
