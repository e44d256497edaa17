"""What an issuer's groups give to people, and take away: at each login they have what the issuer says now."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import Group, User
from django.db import transaction

from server.accounts.models import GivenRight, Role, SiteRight

#: Roles that are rights at the pages: all but that of pilots.
AT_PAGES = frozenset(Role) - {Role.PILOT}


@transaction.atomic
def give(account: User, origin: str, roles: Collection[Role], queues: Collection[str] = ()) -> None:
    """Have somebody the rights that an issuer gives, and none that it gave once; what was given by hand stays.

    Args:
        account: Whose rights; its row is locked.
        origin: The issuer.
        roles: What its groups mean now.
        queues: Those that somebody of the role site_admin looks after.
    """
    user = User.objects.select_for_update().get(pk=account.pk)
    rows = list(GivenRight.objects.filter(account=user).values_list("role", "origin"))
    had = {Role(role) for role, by in rows if by == origin}
    by_others = {Role(role) for role, by in rows if by != origin}
    wanted = AT_PAGES & set(roles)
    for role in had - wanted:
        if role not in by_others:
            _put(user, role, has=False)
    for role in wanted:
        if role in had or role in by_others or not _has(user, role):
            _put(user, role, has=True)
            GivenRight.objects.update_or_create(account=user, role=role, origin=origin)
    GivenRight.objects.filter(account=user, origin=origin, role__in=had - wanted).delete()
    _set_queues(user, origin, set(queues) if Role.SITE_ADMIN in wanted else set())
    account.refresh_from_db()


def _has(user: User, role: Role) -> bool:
    return user.is_superuser if role is Role.ADMIN else user.groups.filter(name=role.value).exists()


def _put(user: User, role: Role, *, has: bool) -> None:
    if role is Role.ADMIN:
        user.is_superuser = user.is_staff = has
        user.save(update_fields=["is_superuser", "is_staff"])
    elif has:
        user.groups.add(Group.objects.get_or_create(name=role.value)[0])
    else:
        user.groups.remove(*Group.objects.filter(name=role.value))


def _set_queues(user: User, origin: str, queues: set[str]) -> None:
    SiteRight.objects.filter(account=user, origin=origin).exclude(queue__in=queues).delete()
    for queue in sorted(queues):
        SiteRight.objects.get_or_create(account=user, site="", queue=queue, defaults={"origin": origin})
