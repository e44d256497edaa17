"""What people may do at the pages and in the admin: one table of groups, and the sites that somebody looks after.

Administrators are Django's superusers: everything is theirs, and nobody else gives rights. What a group may see and
change is said here and stands in no database; the groups are made by every ``migrate``. Django asks two backends
whether somebody may do something: that of passwords knows rights that were given by hand, `Rights` knows this table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

from server.accounts.models import Role, SiteRight

Somebody = AbstractBaseUser | AnonymousUser

#: Who gives rights; told to everybody who is refused.
ASK = "ask an administrator"

#: Tables of these apps are for administrators, unless a group names one of them.
PRIVATE = frozenset(
    {"accounts", "admin", "auth", "contenttypes", "credentials", "notify", "sessions", "trail", "uploads"}
)

#: The one table that a rule by site is for, with its columns of the site and of the queue.
QUEUES = "pandaconfig.schedconfig"


@dataclass(frozen=True)
class Group:
    """What one group is for, and what it may do in the admin; ``app.*`` is every table of an app."""

    what: str
    role: Role
    sees: tuple[str, ...] = ()  # beside all that is not private
    writes: tuple[str, ...] = ()  # makes, changes and deletes rows
    changes: tuple[str, ...] = ()  # changes rows that there are
    changes_by_site: tuple[str, ...] = ()  # the same, of the sites that somebody looks after
    is_of_desk: bool = True  # whether the admin is for it at all


GROUPS = {
    Role.PRODUCTION.value: Group(
        "defines and steers productions, and changes their tables",
        Role.PRODUCTION,
        sees=("credentials.credential",),
        writes=("production.*", "taskbuffer.retryrule"),
    ),
    Role.SITE_ADMIN.value: Group(
        "changes the queues of the sites that are named for each person",
        Role.SITE_ADMIN,
        changes_by_site=(QUEUES,),
    ),
    Role.USER.value: Group("sees the pages, and submits jobs by its own tokens", Role.USER, is_of_desk=False),
    Role.READER.value: Group("sees all pages and tables, and changes nothing", Role.READER),
}

#: The roles that somebody of a role may give to tokens of their own.
TOKENS: Mapping[Role, tuple[Role, ...]] = {
    Role.ADMIN: (Role.ADMIN, Role.PRODUCTION, Role.USER, Role.READER),
    Role.PRODUCTION: (Role.PRODUCTION, Role.USER, Role.READER),
    Role.SITE_ADMIN: (Role.SITE_ADMIN, Role.READER),
    Role.USER: (Role.USER, Role.READER),
    Role.READER: (Role.READER,),
}


@dataclass(frozen=True)
class Places:
    """The queues that somebody may change: all, or those of some sites, and some by name."""

    everywhere: bool = False
    sites: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()

    def include(self, siteid: str, nickname: str) -> bool:
        """Say whether a queue is one of them; one without a site is a site of its own name, as for PanDA."""
        return self.everywhere or nickname in self.queues or (siteid or nickname) in self.sites

    def __str__(self) -> str:
        named = [f"site {one}" for one in sorted(self.sites)] + [f"queue {one}" for one in sorted(self.queues)]
        return "all queues" if self.everywhere else ", ".join(named) or "no queue yet"


def permissions_of(groups: Collection[str], *, by_site: bool = True) -> frozenset[str]:
    """Answer what the groups of these names may do in the admin, as Django names permissions.

    Args:
        groups: Names; those that the table does not have mean nothing here.
        by_site: Whether to count what somebody may do only at some sites.
    """
    tables = tuple(model._meta.label_lower for model in apps.get_models())
    return _permissions(frozenset(groups), tables, by_site)


@lru_cache(maxsize=64)
def _permissions(groups: frozenset[str], tables: tuple[str, ...], by_site: bool) -> frozenset[str]:
    found: set[str] = set()
    for group in (GROUPS[name] for name in groups if name in GROUPS):
        sites = group.changes_by_site if by_site else ()
        for table in tables:
            if (group.is_of_desk and table.split(".")[0] not in PRIVATE) or _names(group.sees, table):
                found |= _named(table, "view")
            if _names(group.writes, table):
                found |= _named(table, "view", "add", "change", "delete")
            if _names((*group.changes, *sites), table):
                found |= _named(table, "change")
    return frozenset(found)


def _names(patterns: Iterable[str], table: str) -> bool:
    app, _, _ = table.partition(".")
    return any(one in {table, f"{app}.*"} for one in patterns)


def _named(table: str, *verbs: str) -> set[str]:
    app, name = table.split(".")
    return {f"{app}.{verb}_{name}" for verb in verbs}


def groups_of(user: Somebody) -> frozenset[str]:
    """Answer the names of somebody's groups; asked of the database once for each request."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return frozenset()
    known: frozenset[str] | None = getattr(user, "_groups_of", None)
    if known is None:
        groups: Any = user.groups  # type: ignore[attr-defined]
        known = user._groups_of = frozenset(groups.values_list("name", flat=True))  # type: ignore[attr-defined]
    return known


def is_administrator(user: Somebody) -> bool:
    """Say whether everything is allowed to somebody."""
    return user.is_active and bool(getattr(user, "is_superuser", False))


def roles_of(user: Somebody) -> frozenset[Role]:
    """Answer what somebody is, in the words of tokens; nothing for who has no rights."""
    named = {GROUPS[name].role for name in groups_of(user) if name in GROUPS}
    return frozenset({*named, Role.ADMIN} if is_administrator(user) else named)


def may_enter_desk(user: Somebody) -> bool:
    """Say whether the admin is for somebody at all."""
    if user.is_active and (getattr(user, "is_staff", False) or is_administrator(user)):
        return True
    return any(GROUPS[name].is_of_desk for name in groups_of(user) if name in GROUPS)


def may_read(user: Somebody) -> bool:
    """Say whether somebody has any right: an account alone, such as a first login makes, shows nothing."""
    if not user.is_authenticated or not user.is_active:
        return False
    return may_enter_desk(user) or bool(groups_of(user)) or bool(user.get_all_permissions())  # type: ignore[attr-defined]


def editable_queues(user: Somebody) -> Places:
    """Answer whose queues somebody may change."""
    name = f"{QUEUES.replace('.', '.change_')}"
    if is_administrator(user) or _may_everywhere(user, name):
        return Places(everywhere=True)
    if isinstance(user, AnonymousUser) or Role.SITE_ADMIN.value not in groups_of(user):
        return Places()
    known: Places | None = getattr(user, "_places", None)
    if known is None:
        rows = list(SiteRight.objects.filter(account=user.pk).values_list("site", "queue"))
        sites, queues = ({row[column] for row in rows} - {""} for column in (0, 1))
        known = user._places = Places(sites=frozenset(sites), queues=frozenset(queues))  # type: ignore[attr-defined]
    return known


def queues_of(user: Somebody) -> frozenset[str]:
    """Answer the names of the queues that somebody may change, of those that there are."""
    places = editable_queues(user)
    if places == Places():
        return frozenset()
    model = apps.get_model(QUEUES)  # which stands above this app
    rows = model._default_manager.order_by().values_list("siteid", "nickname")
    return frozenset(nickname for siteid, nickname in rows if places.include(siteid, nickname))


def token_roles(user: Somebody) -> tuple[Role, ...]:
    """Answer the roles that somebody may give to tokens of their own: none is higher than theirs."""
    mine = {role for one in roles_of(user) for role in TOKENS[one]}
    return tuple(role for role in Role if role in mine)


def may_edit_queue(user: Somebody, siteid: str, nickname: str) -> bool:
    """Say whether somebody may change one queue."""
    return editable_queues(user).include(siteid, nickname)


def why_not_queue(user: Somebody, siteid: str, nickname: str) -> str:
    """Say why somebody may not change a queue, and who can mend that; "" when it is allowed."""
    places = editable_queues(user)
    if places.include(siteid, nickname):
        return ""
    where = f"{nickname} is a queue of the site {siteid or nickname}"
    return f"{where}, and {user} may change {places}; {ASK} to name the site for you"


def _may_everywhere(user: Somebody, permission: str) -> bool:
    """Say whether a permission was given by hand, or by a group whose rights know no sites."""
    if permission in permissions_of(groups_of(user), by_site=False):
        return True
    return was_given(user, permission)


def was_given(user: Somebody, permission: str) -> bool:
    """Say whether somebody has a permission by hand, or by a group that somebody has made: not by the table above."""
    return permission in ModelBackend().get_all_permissions(user)  # type: ignore[arg-type]


class Rights(BaseBackend):
    """What Django asks when it wants to know whether somebody may do something; it logs nobody in."""

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Answer what somebody's groups may do, by the table above; of rows, see `has_perm`."""
        return set(permissions_of(groups_of(user_obj))) if obj is None else set()

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Say whether somebody may do something, with one row when there is one."""
        if not user_obj.is_active:
            return False
        if obj is None:
            return perm in permissions_of(groups_of(user_obj))
        if _may_everywhere(user_obj, perm):
            return True
        if perm not in permissions_of(groups_of(user_obj)) or obj._meta.label_lower != QUEUES:
            return False
        return may_edit_queue(user_obj, obj.siteid, obj.nickname)
