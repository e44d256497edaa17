"""Tokens that people make for their own scripts: no higher than their rights, and good only as long as these are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from server.accounts import logic
from server.accounts.logic import TokenRefused
from server.accounts.models import Person, Role, Token
from server.accounts.rights import ASK, queues_of, token_roles

#: Days for which a token is made, and at most; and how many may be good at a time.
DAYS, MOST_DAYS, MOST = 30, 365, 20

_NAME = re.compile(r"[A-Za-z0-9._-]{1,30}")


class Outgrown(Exception):
    """A token's person has its role no more; the text says so."""


@dataclass(frozen=True)
class Wish:
    """A token as somebody wants it."""

    name: str
    role: Role
    days: int
    queues: tuple[str, ...] = ()


def read(said: Mapping[str, str]) -> Wish:
    """Read a form.

    Raises:
        TokenRefused: a field says what cannot be meant; the text names it, with the remedy.
    """
    name, role, days = (said.get(field, "").strip() for field in ("name", "role", "days"))
    if not _NAME.fullmatch(name):
        raise TokenRefused(f"name: {name[:60]!r} is not taken; write at most 30 letters, digits, dots, - and _")
    if role not in {one.value for one in Role}:
        raise TokenRefused(f"role: {role[:60]!r} is none; choose one of the list")
    if not days.isdecimal() or len(days) > 4 or not 0 < int(days) <= MOST_DAYS:
        raise TokenRefused(f"days: {days[:60]!r} is not a number from 1 to {MOST_DAYS}")
    queues = tuple(dict.fromkeys(re.split(r"[,\s]+", said.get("queues", "").strip()))) if said.get("queues") else ()
    return Wish(name, Role(role), int(days), tuple(filter(None, queues)))


def make(account: User, wish: Wish) -> tuple[str, str]:
    """Make a token for somebody's scripts; answer its name and, for the only time, the token itself.

    Raises:
        TokenRefused: the role is higher than theirs, a queue is not theirs, or they have too many.
    """
    mine = token_roles(account)
    if wish.role not in mine:
        yours = ", ".join(mine) or "none yet"
        raise TokenRefused(f"role: {wish.role.value} is not yours to give; you may give {yours}; {ASK} for more")
    if wish.role is Role.SITE_ADMIN and (others := sorted(set(wish.queues) - queues_of(account))):
        raise TokenRefused(f"queues: {others[0]} is no queue that you look after; {ASK} to name its site for you")
    person = logic.person_of_account(account)
    good = Token.objects.filter(person=person, is_own=True, revoked_at=None, expires_at__gt=timezone.now())
    if good.count() >= MOST:
        raise TokenRefused(f"you have {MOST} tokens that are good; revoke one first")
    name = f"{person.name[:40]}/{wish.name}"
    lifetime = timedelta(days=wish.days)
    return name, logic.create_own_token(person, name, wish.role, lifetime=lifetime, queues=wish.queues)


def queues_now(token: Token) -> frozenset[str]:
    """Answer the queues that somebody's own token is for, of those that they look after by now.

    Raises:
        Outgrown: the role, or each of the queues, is theirs no more.
    """
    account = None if token.person is None else token.person.account
    role = Role(token.role)
    if account is None or role not in token_roles(account):
        raise Outgrown(f"the token {token.name} is {role.value}'s, which {token.person} is no more; {ASK}")
    if role is not Role.SITE_ADMIN:
        return frozenset(token.queues)
    queues = queues_of(account) & frozenset(token.queues)
    if not queues:
        raise Outgrown(f"{token.person} looks after no queue of the token {token.name} any more; {ASK}")
    return queues


def tokens_of(person: Person | None) -> list[Token]:
    """Answer somebody's tokens that are not revoked, whoever made them; those that end last come first."""
    return list(Token.objects.filter(person=person, revoked_at=None).order_by("-expires_at", "name")) if person else []
