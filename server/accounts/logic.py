"""Everything that writes tokens and people, and makes passes of tokens."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower
from django.utils import timezone

from server.accounts import passes
from server.accounts.models import Login, Person, Role, Token
from server.accounts.subjects import BadFront, subject_of

#: Every token begins so, which lets a scanner of secrets find one that leaked.
MARK = "cps_"

#: `last_used_at` is written at most so often.
COARSE = timedelta(hours=1)

#: Hours for which a token stays good that another one has taken the place of: as long as a pass may be renewed.
OVERLAP_HOURS = passes.LONGEST / 3600

_UNKNOWN = "is no valid token; `compass-server token list` shows them all"


class TokenRefused(ValueError):
    """A token, a pass or a person cannot be made or ended; the text says why."""


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def digest_of_certificate(subject: str) -> str:
    """Answer what stands in the place of a token's digest for who comes with a certificate: no token has such a one."""
    return f"certificate:{digest_of(subject)[:52]}"


def create_token(
    name: str,
    role: Role,
    *,
    lifetime: timedelta | None = None,
    person: str = "",
    queues: Sequence[str] = (),
    certificate: str = "",
) -> str:
    """Make a token and answer it in clear, for the only time.

    Args:
        name: What logs and events say.
        role: What it lets its bearer do.
        lifetime: How long it is good; until it is revoked when left out.
        person: Whose it is; the person is made when there is none of that name. A user's token needs one.
        certificate: Subject of the certificate that is the token; there is nothing to be shown then: answers "".
        queues: The queues that it is for. A site admin's needs some; a pilot's without any is for all.

    Raises:
        TokenRefused: the name is empty or in use, or the role needs what is not given, or has no use for what is.
    """
    if not name or Token.objects.filter(name=name).exists():
        raise TokenRefused(f"name: {name!r} is empty or in use; choose another")
    if len(name) > 80 or len(person) > 60:
        raise TokenRefused("name: at most 80 characters are taken, 60 of a person")
    _refuse_mismatch(role, person, queues)
    token = "" if certificate else MARK + secrets.token_urlsafe(32)
    digest = digest_of_certificate(_subject(certificate)) if certificate else digest_of(token)
    if Token.objects.filter(digest=digest).exists():
        raise TokenRefused(f"certificate: {certificate!r} has a name here already")
    expires_at = None if lifetime is None else timezone.now() + lifetime
    try:
        with transaction.atomic():
            owner = Person.objects.get_or_create(name=person)[0] if person else None
            Token.objects.create(
                name=name, role=role, digest=digest, expires_at=expires_at, person=owner, queues=list(queues)
            )
    except IntegrityError as taken:  # somebody was faster
        raise TokenRefused(f"name: {name!r} is in use; choose another") from taken
    return token


def _subject(certificate: str) -> str:
    try:
        return subject_of(certificate)
    except BadFront as bad:
        raise TokenRefused(f"certificate: {certificate!r}: {bad}") from bad


def _refuse_mismatch(role: Role, person: str, queues: Sequence[str]) -> None:
    if role is Role.USER and not person:
        raise TokenRefused("person: a token of the role user belongs to somebody; name the person")
    if role is Role.SITE_ADMIN and not queues:
        raise TokenRefused("queues: a token of the role site_admin is for some queues; name them")
    if queues and role not in {Role.SITE_ADMIN, Role.PILOT}:
        raise TokenRefused(f"queues: a token of the role {role.value} is for all queues; leave them out")


def revoke_token(name: str) -> None:
    """End a token, and all passes made from it, now; workers notice within a second.

    Raises:
        TokenRefused: there is no such token, or it is revoked already.
    """
    if not Token.objects.filter(name=name, revoked_at=None).update(revoked_at=timezone.now()):
        raise TokenRefused(f"name: {name!r} {_UNKNOWN}")


def rotate_token(name: str, *, overlap: timedelta, lifetime: timedelta | None = None) -> tuple[str, str, datetime]:
    """Make another token in the place of one, which stays good for a while under another name.

    Args:
        name: Of the token; the new one has it from now on.
        overlap: How long the old one, and the passes made of it, are still good; not longer than they were.
        lifetime: How long the new one is good; as long as the old one was made for when left out.

    Returns:
        The new token in clear, for the only time; what the old one is called now; when it ends.

    Raises:
        TokenRefused: there is no such token, it is a certificate, or its person renews it.
    """
    now = timezone.now()
    with transaction.atomic():
        old = Token.objects.select_for_update().filter(name=name, revoked_at=None).first()
        if old is None:
            raise TokenRefused(f"name: {name!r} {_UNKNOWN}")
        if old.digest.startswith("certificate:"):
            raise TokenRefused(f"name: {name!r} is a certificate; its authority renews it")
        if old.is_own:
            raise TokenRefused(f"name: {name!r} was made by its person, who makes another at /account")
        if lifetime is None and old.expires_at is not None:
            lifetime = old.expires_at - old.created_at
        ends = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
        old.name, old.expires_at = f"{name[:44]} before {now:%Y-%m-%d %H:%M} #{old.pk}", ends
        old.save(update_fields=["name", "expires_at"])
        token = MARK + secrets.token_urlsafe(32)
        Token.objects.create(
            name=name, role=old.role, digest=digest_of(token), person=old.person, queues=old.queues,
            expires_at=None if lifetime is None else now + lifetime,
        )  # fmt: skip
    return token, old.name, ends


def note_use(token: Token, now: datetime) -> None:
    """Note that a token was used, at most once per hour."""
    if token.last_used_at is None or token.last_used_at < now - COARSE:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)


def set_expiry(name: str, expires_at: datetime | None) -> None:
    """Change when a token ends."""
    Token.objects.filter(name=name).update(expires_at=expires_at)


def ban(person: str, because: str) -> None:
    """Refuse everything that a person's tokens ask for, from now on; workers notice within a second.

    Raises:
        TokenRefused: there is nobody of that name.
    """
    if person.startswith("/"):  # somebody whom a certificate lets in, and whom nobody has named here
        Person.objects.get_or_create(name=_subject(person))
    if not Person.objects.filter(name=person).update(banned_at=timezone.now(), banned_because=because[:250]):
        raise TokenRefused(f"person: {person!r} is nobody whom we know")


def explain_ban(person: str, because: str) -> None:
    """Change what somebody is told who is, or will be, banned."""
    Person.objects.filter(name=person).update(banned_because=because)


def lift_ban(person: str) -> None:
    """Let a person's tokens be good again.

    Raises:
        TokenRefused: nobody of that name is banned.
    """
    banned = Person.objects.filter(name=person, banned_at__isnull=False)
    if not banned.update(banned_at=None, banned_because=""):
        raise TokenRefused(f"person: {person!r} is not banned")


def person_of_login(issuer: str, subject: str, name: str = "") -> Person:
    """Answer whom an issuer means by a subject; somebody who comes for the first time is written down.

    Args:
        issuer: Its address.
        subject: What it calls its bearer, within its own walls.
        name: What it says that people call it; subject and host make a name where it says nothing. One that begins
            as the names of certificates do, or is too long, is none: the login's digest takes its place.

    Raises:
        TokenRefused: that name is somebody else's already.
    """
    digest = _digest_of_login(issuer, subject)
    known = Login.objects.filter(digest=digest).select_related("person").first()
    if known is not None:
        return known.person
    wanted = name or f"{subject}@{urlsplit(issuer).hostname}"
    try:
        with transaction.atomic():
            is_good = len(wanted) <= 250 and not wanted.startswith("/")
            person = Person.objects.create(name=wanted if is_good else digest)
            Login.objects.create(digest=digest, issuer=issuer, subject=subject, person=person)
    except IntegrityError as taken:
        known = Login.objects.filter(digest=digest).select_related("person").first()
        if known is not None:  # another worker was faster
            return known.person
        text = (
            f"the name {wanted} is known here, and not as the login {subject} of {issuer}; the server's administrator"
        )
        raise TokenRefused(f"{text} can join them: compass-server token login") from taken
    return person


def join_login(person: str, issuer: str, subject: str) -> None:
    """Have somebody be taken for a person here; it may have been taken for another one before.

    Raises:
        TokenRefused: there is nobody of that name.
    """
    found = Person.objects.filter(name=person).first()
    if found is None:
        raise TokenRefused(f"person: {person!r} is nobody whom we know")
    digest = _digest_of_login(issuer, subject)
    Login.objects.update_or_create(digest=digest, defaults={"issuer": issuer, "subject": subject, "person": found})


def join_account(person: str, account: User | None) -> None:
    """Say which account at the pages a person has.

    Raises:
        TokenRefused: that account is somebody else's.
    """
    if account is not None and Person.objects.filter(account=account).exclude(name=person).exists():
        raise TokenRefused(f"account: {account} is somebody else's; take it from that person first")
    Person.objects.filter(name=person).update(account=account)


def account_of_person(person: Person, *, email: str = "") -> User:
    """Answer somebody's account; who comes for the first time gets one, without any right.

    Raises:
        TokenRefused: an account of that name is there, and nobody has said that it is this person's.
    """
    if person.account is not None:
        return person.account
    name = person.name if len(person.name) <= 150 else hashlib.sha256(person.name.encode()).hexdigest()
    like = User.objects.annotate(low=Lower("username")).filter(low=User.normalize_username(name).lower())
    near = like.values_list("username", flat=True).first()
    try:
        if near is not None:  # another case of letters would look the same to people
            raise IntegrityError(near)
        with transaction.atomic():
            account = User.objects.create_user(name, email)
            Person.objects.filter(pk=person.pk, account=None).update(account=account)
    except IntegrityError as taken:
        there = f"an account {near or name} is there, and not known to be of the person {person.name}"
        raise TokenRefused(f"{there}; an administrator can join them on the page of that person") from taken
    person.refresh_from_db()
    return account


def person_of_account(account: User) -> Person:
    """Answer who has an account; whoever has none of their own name yet gets one.

    Raises:
        TokenRefused: somebody of that name is known, and nobody has said that it is this account's.
    """
    found = Person.objects.filter(account=account).first()
    if found is not None:
        return found
    made, _ = Person.objects.get_or_create(name=account.get_username(), defaults={"account": account})
    if made.account_id != account.pk:
        text = f"the person {made.name} is known here, and not as this account's; an administrator can join them"
        raise TokenRefused(f"{text} on the page of that person")
    return made


def create_own_token(person: Person, name: str, role: Role, *, lifetime: timedelta, queues: Sequence[str] = ()) -> str:
    """Make a token that is good only while its person has the role; answer it in clear, for the only time.

    Raises:
        TokenRefused: the name is in use, or the role needs queues.
    """
    _refuse_mismatch(role, person.name, queues)
    token = MARK + secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            Token.objects.create(
                name=name, role=role, digest=digest_of(token), person=person, queues=list(queues), is_own=True,
                expires_at=timezone.now() + lifetime,
            )  # fmt: skip
    except IntegrityError as taken:
        raise TokenRefused(f"name: {name!r} is in use; choose another") from taken
    return token


def _digest_of_login(issuer: str, subject: str) -> str:
    return hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()


def renew_pass(old: passes.Pass, *, lifetime: timedelta) -> tuple[str, passes.Pass]:
    """Answer the pass that follows one, as it travels and as it is.

    Raises:
        BadPass: it is not renewed any more.
    """
    new = passes.prolong(old, now=time.time(), lifetime=lifetime.total_seconds())
    return passes.write(new, pass_key(settings.SECRET_KEY)), new


def make_pass(name: str, *, lifetime: timedelta) -> str:
    """Make a pass of a pilots' token; nothing is written down.

    Raises:
        TokenRefused: there is no such token of the role pilot, or it has ended.
    """
    token = Token.objects.filter(name=name, revoked_at=None).first()
    if token is None or token.role != Role.PILOT:
        raise TokenRefused(f"name: {name!r} {_UNKNOWN if token is None else 'is no token of pilots'}")
    one = passes.begin(token.pk, now=time.time(), lifetime=lifetime.total_seconds())
    return passes.write(one, pass_key(settings.SECRET_KEY))


def pass_keys() -> list[bytes]:
    """Answer the keys that a pass may be signed with; new ones are signed with the first."""
    return [pass_key(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


@lru_cache(maxsize=16)
def pass_key(secret: str) -> bytes:
    """Answer the key that passes are signed with: made from the server's secret, of use for nothing else."""
    return hashlib.sha256(b"COMPASS pilot passes, version 1\0" + secret.encode()).digest()


def ensure_pilot_token(name: str, queue: str) -> None:
    """Have a token of pilots for one queue under this name; what it is in clear nobody learns, passes are made of it.

    Raises:
        TokenRefused: the name is too long.
    """
    if not Token.objects.filter(name=name).exists():
        create_token(name, Role.PILOT, queues=[queue])
