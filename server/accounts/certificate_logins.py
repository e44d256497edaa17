"""Whose account a certificate logs in: one that it was joined to, or a new one, without any right."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from server.accounts.logic import digest_of_certificate
from server.accounts.models import Person, Token, UserCertificate
from server.accounts.sessions import LoginRefused
from server.accounts.subjects import alike, listed_in, may_log_in, name_of, subject_of
from server.accounts.welcome import whom_to_ask
from server.lib.remembered import Remembered


class CertificateRefused(ValueError):
    """A certificate cannot be joined, or is not known; the text says why."""


def account_of(subject: str) -> User:
    """Answer the account that a verified certificate logs in, and note that it does.

    Args:
        subject: In our spelling.

    Raises:
        LoginRefused: it is not let in; the text says why and whom to ask.
        BadFront: no name can be made of it.
    """
    refuse_unlisted(subject)
    people = [one for one in _people_of(subject) if one is not None]
    banned = next((one for one in people if one.banned_at is not None), None)
    if banned is not None:
        because = banned.banned_because or "no reason was given"
        raise LoginRefused(f"{banned.name} is banned: {because}; {whom_to_ask()}")
    digest = _digest(subject)
    row = UserCertificate.objects.filter(digest=digest).select_related("account").first()
    if row is None:
        row = _first_login(subject, digest, people)
    if not row.enabled:
        raise LoginRefused(f"the certificate {subject} is switched off; {whom_to_ask()}")
    UserCertificate.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
    return User.objects.select_related("person").get(pk=row.account_id)


def refuse_unlisted(subject: str) -> None:
    """Refuse whom the settings do not let log in.

    Raises:
        LoginRefused: they do not name it, or cannot be read.
    """
    said = settings.ENVIRONMENT
    try:
        may = may_log_in(subject, said.login_subjects, listed_in(said.login_subjects_file))
    except (OSError, ValueError, re.error) as wrong:
        raise LoginRefused(f"the list of certificates that may log in cannot be read; {whom_to_ask()}") from wrong
    if not may:
        raise LoginRefused(f"the certificate {subject} is not among those that may log in here; {whom_to_ask()}")


def _people_of(subject: str) -> tuple[Person | None, Person | None]:
    """Answer who a certificate is for programs: the person of its token, and the person of its name."""
    token = Token.objects.filter(digest=digest_of_certificate(subject)).select_related("person__account").first()
    named = Person.objects.filter(name=subject).select_related("account").first()
    return (None if token is None else token.person), named


def _first_login(subject: str, digest: str, people: list[Person]) -> UserCertificate:
    known = next((one.account for one in people if one.account is not None), None)
    try:
        with transaction.atomic():
            account = known or _new_account(subject, people)
            return UserCertificate.objects.create(digest=digest, subject=subject, account=account)
    except IntegrityError as taken:  # another worker was faster
        row = UserCertificate.objects.filter(digest=digest).first()
        if row is None:
            raise LoginRefused("somebody of the same name logs in for the first time just now; try again") from taken
        return row


def _new_account(subject: str, people: list[Person]) -> User:
    """Make an account without a password; somebody else's name is left to that one."""
    for name in alike(name_of(subject)):
        if User.objects.filter(username=name).exists():
            continue
        whose = Person.objects.filter(name=name).first()
        if whose is not None and whose not in people:
            continue
        account = User.objects.create_user(name)
        person = people[0] if people else Person.objects.create(name=subject)
        Person.objects.filter(pk=person.pk, account=None).update(account=account)
        return account
    raise LoginRefused(f"too many accounts are named like {subject}; {whom_to_ask()}")


def join(subject: str, username: str) -> UserCertificate:
    """Have a certificate log in an account that there is; it may have logged in another one before.

    Raises:
        CertificateRefused: there is no such account, or it is no subject.
    """
    account = User.objects.filter(username=username).first()
    if account is None:
        raise CertificateRefused(
            f"account: {username!r} is nobody's; compass-server createsuperuser, or the admin, makes one"
        )
    plain = _plain(subject)
    row, _ = UserCertificate.objects.update_or_create(
        digest=_digest(plain), defaults={"subject": plain, "account": account, "enabled": True}
    )
    return row


def switch(subject: str, *, enabled: bool) -> None:
    """Let a certificate log in, or not any more: its sessions end, too.

    Raises:
        CertificateRefused: it is not known.
    """
    if not UserCertificate.objects.filter(digest=_digest(_plain(subject))).update(enabled=enabled):
        raise CertificateRefused(f"subject: {subject!r} logs in nobody; `compass-server certificate list` shows all")


def _plain(subject: str) -> str:
    try:
        return subject_of(subject)
    except ValueError as bad:
        raise CertificateRefused(f"subject: {subject!r} is none; write it as /DC=org/CN=Somebody") from bad


def _digest(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()


def _look_up(subject: str) -> int | None:
    """Answer the number of the account that a certificate logs in now."""
    found: Any = UserCertificate.objects.filter(digest=_digest(subject), enabled=True).values_list("account_id")
    row = found.first()
    return None if row is None else row[0]


#: What this process remembers of certificates that sessions are bound to.
ACCOUNTS: Remembered[str, int | None] = Remembered(_look_up, seconds=1.0)
