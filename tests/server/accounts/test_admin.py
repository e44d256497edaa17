"""Who may revoke and ban in the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from server.accounts.logic import create_token
from server.accounts.models import Person, Role, Token


def act(client, table, action, row):
    form = {"action": action, "_selected_action": [str(row.pk)]}
    assert client.post(f"/admin/accounts/{table}/", form).status_code in {200, 302}


@pytest.mark.parametrize(("may", "done"), [("view", False), ("change", True)])
def test_who_may_only_look_neither_bans_nor_revokes(client, django_user_model, may, done):
    create_token("alices", Role.USER, person="alice")
    looker = django_user_model.objects.create_user("looker", password="twelve letters", is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename__in=[f"{may}_token", f"{may}_person"]))
    client.force_login(looker)
    act(client, "person", "ban", Person.objects.get())
    act(client, "token", "revoke", Token.objects.get())
    assert (Person.objects.get().banned_at is not None, Token.objects.get().revoked_at is not None) == (done, done)
