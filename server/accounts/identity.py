"""Who calls: a bearer token becomes an identity; what was looked up is believed for one second."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from server.accounts import logic
from server.accounts.models import Role, Token
from server.lib.remembered import Remembered


@dataclass(frozen=True)
class Identity:
    """The bearer of a valid token."""

    name: str
    role: Role


class IdentityRefused(Exception):
    """The request says not who calls, or nobody whom we know; the text says what to do."""


def _look_up(digest: str) -> Identity:
    now = timezone.now()
    token = Token.objects.filter(digest=digest).first()
    if token is None:
        raise IdentityRefused("this token is not known here; ask the server's administrator for one")
    if token.revoked_at is not None:
        raise IdentityRefused(f"the token {token.name} was revoked; ask for a new one")
    if token.expires_at is not None and token.expires_at <= now:
        when = f"{token.expires_at:%Y-%m-%d %H:%M}"
        raise IdentityRefused(f"the token {token.name} expired at {when} UTC; ask for a new one")
    logic.note_use(token, now)
    return Identity(token.name, Role(token.role))


#: What this process remembers, by the digest of the token.
IDENTITIES = Remembered(_look_up, seconds=1.0)


def identify(header: str) -> Identity:
    """Answer who sent this ``Authorization`` header.

    Raises:
        IdentityRefused: it names nobody, or somebody whose token has ended.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise IdentityRefused("no token: send `Authorization: Bearer <token>`; `compass-server token create` makes one")
    return IDENTITIES.of(logic.digest_of(token.strip()))
