"""The app of people, their tokens and their rights."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "server.accounts"

    def ready(self) -> None:
        post_migrate.connect(make_groups, sender=self)
        from django.contrib.auth.signals import user_logged_in

        from server.accounts.sessions import note_beginning

        user_logged_in.connect(note_beginning, dispatch_uid="accounts.beginning")


def make_groups(using: str, **_: Any) -> None:
    """Have the groups that `rights` knows, so that somebody can be put into them."""
    from django.contrib.auth.models import Group

    from server.accounts.rights import GROUPS

    groups = Group.objects.using(using)
    known = set(groups.filter(name__in=GROUPS).values_list("name", flat=True))
    groups.bulk_create(Group(name=name) for name in GROUPS if name not in known)
