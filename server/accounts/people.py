"""Accounts at the pages, as administrators make and change them: one door for the commands and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from server.accounts import certificate_logins
from server.accounts.certificate_logins import CertificateRefused
from server.accounts.models import SiteRight, UserCertificate
from server.accounts.rights import GROUPS


class AccountRefused(ValueError):
    """An account cannot be made or changed so; the text says why. Nothing was changed."""


@dataclass(frozen=True)
class Wishes:
    """What an account shall be; what is ``None`` stays as it is."""

    email: str | None = None
    administrator: bool | None = None
    active: bool | None = None
    groups: Sequence[str] | None = None  # all that it shall be in
    sites: Sequence[str] | None = None  # all whose queues it may change
    queues: Sequence[str] | None = None  # and single ones
    password: str | None = None
    certificate: str | None = None  # one more by which it logs in


@dataclass(frozen=True)
class Account:
    """An account as lists show it; times are aware."""

    name: str
    email: str
    administrator: bool
    active: bool
    groups: tuple[str, ...]
    sites: tuple[str, ...]
    queues: tuple[str, ...]
    certificates: tuple[str, ...]
    has_password: bool
    last_login: datetime | None


@transaction.atomic
def write(name: str, wishes: Wishes, *, make: bool = True) -> bool:
    """Change an account, or make it; say whether it is new.

    Args:
        name: By which the person logs in.
        wishes: What it shall be.
        make: Whether it is made when there is none of that name.

    Raises:
        AccountRefused: there is none, a value cannot be meant, or no administrator would be left.
    """
    user = User.objects.select_for_update().filter(username=name).first()
    new = user is None
    if user is None:
        if not make:
            raise AccountRefused(_unknown(name))
        user = User(username=name)
        user.set_unusable_password()
    _refuse_last(user, wishes)
    _apply(user, wishes)
    _refuse_odd(user, new=new)
    user.save()
    if wishes.groups is not None:
        user.groups.set(_groups(wishes.groups))
    _set_places(user, "site", wishes.sites)
    _set_places(user, "queue", wishes.queues)
    if wishes.certificate:
        try:
            certificate_logins.join(wishes.certificate, name)
        except CertificateRefused as refused:
            raise AccountRefused(f"certificate: {refused}") from refused
    return new


def refuse_unknown(name: str) -> None:
    """Refuse a name that nobody logs in by.

    Raises:
        AccountRefused: it is such a one.
    """
    if not User.objects.filter(username=name).exists():
        raise AccountRefused(_unknown(name))


def _unknown(name: str) -> str:
    text = "`compass-server admin create` or `compass admin person create` makes one"
    return f"name: nobody has an account {name!r}; {text}"


def _apply(user: User, wishes: Wishes) -> None:
    if wishes.administrator is not None:
        user.is_staff = user.is_superuser = wishes.administrator
    if wishes.active is not None:
        user.is_active = wishes.active
    if wishes.email is not None:
        user.email = wishes.email
    if wishes.password is not None:
        _refuse_simple(wishes.password, user)
        user.set_password(wishes.password)


def _refuse_last(user: User, wishes: Wishes) -> None:
    loses = wishes.administrator is False or wishes.active is False
    if not loses or not (user.is_superuser and user.is_active):
        return
    # Locked, so that of two who end each other one is refused.
    admins = User.objects.select_for_update().filter(is_superuser=True, is_active=True).order_by("pk")
    if [one.pk for one in admins] == [user.pk]:
        raise AccountRefused(f"name: {user.get_username()} is the last administrator; make another one first")


def _refuse_simple(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as wrong:
        raise AccountRefused(f"this password is refused: {' '.join(wrong.messages)}") from wrong


def _refuse_odd(user: User, *, new: bool) -> None:
    # A certificate's name may hold what nobody could type; it is only looked at where it is new.
    names = ["username", "email"] if new else ["email"]
    try:
        user.clean_fields(exclude=[one.name for one in User._meta.fields if one.name not in names])
    except ValidationError as wrong:
        field, words = next(iter(wrong.message_dict.items()))
        said = getattr(user, field)
        raise AccountRefused(f"{field.replace('username', 'name')}: {said[:60]!r}: {' '.join(words)}") from wrong


def _groups(names: Sequence[str]) -> list[Group]:
    for name in names:
        if name not in GROUPS and not Group.objects.filter(name=name).exists():
            raise AccountRefused(f"groups: {name[:60]!r} is none; there are {', '.join(sorted(GROUPS))}")
    return [Group.objects.get_or_create(name=name)[0] for name in names]


def _set_places(user: User, column: str, names: Sequence[str] | None) -> None:
    if names is None:
        return
    for one in names:
        if not 0 < len(one) <= 60:
            raise AccountRefused(f"{column}s: {one[:70]!r} is no name; one has 1 to 60 characters")
    rows: Any = SiteRight.objects.filter(account=user).exclude(**{column: ""})
    rows.exclude(**{f"{column}__in": names}).delete()
    for name in names:
        place: dict[str, Any] = {"site": "", "queue": "", column: name}
        SiteRight.objects.get_or_create(account=user, **place)


def listed(*, after: str = "", most: int) -> list[Account]:
    """Answer accounts in the order of their names, those behind ``after`` alone; five queries for any number."""
    users = list(User.objects.filter(username__gt=after).order_by("username").prefetch_related("groups")[:most])
    keys = [one.pk for one in users]
    places: dict[int, list[SiteRight]] = {}
    for right in SiteRight.objects.filter(account__in=keys):
        places.setdefault(right.account_id, []).append(right)
    subjects: dict[int, list[str]] = {}
    for key, subject in UserCertificate.objects.filter(account__in=keys).values_list("account", "subject"):
        subjects.setdefault(key, []).append(subject)
    return [_shown(one, places.get(one.pk, []), subjects.get(one.pk, [])) for one in users]


def _shown(user: User, places: Sequence[SiteRight], subjects: Sequence[str]) -> Account:
    return Account(
        name=user.get_username(),
        email=user.email,
        administrator=user.is_superuser,
        active=user.is_active,
        groups=tuple(sorted(one.name for one in user.groups.all())),
        sites=tuple(sorted(one.site for one in places if one.site)),
        queues=tuple(sorted(one.queue for one in places if one.queue)),
        certificates=tuple(sorted(subjects)),
        has_password=user.has_usable_password(),
        last_login=user.last_login,
    )
