"""People with accounts, for tests."""

from __future__ import annotations

from django.contrib.auth.models import Group, User


def reader(name: str, **more: str) -> User:
    """Make an account that sees the pages, and may change nothing."""
    user = User.objects.create_user(name, **more)
    user.groups.add(Group.objects.get_or_create(name="reader")[0])
    return user
