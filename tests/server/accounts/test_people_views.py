"""Administrators' scripts make accounts and tokens, change them and list them; nobody else does."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from server.accounts import identity, logic, people_views
from server.accounts.models import Role, Token
from server.trail.models import Entry

BASE = "/api/v1/accounts/"


@pytest.fixture
def ask(db):
    tokens = {role: logic.create_token(role.value, role) for role in (Role.ADMIN, Role.PRODUCTION)}

    def ask(method, body=None, role=Role.ADMIN, **query):
        headers = {"authorization": f"Bearer {tokens[role]}", "accept": "application/json"}
        client = Client(headers=headers)
        if body is None:
            return client.get(BASE + method, query).json()
        return client.post(BASE + method, json.dumps(body), content_type="application/json").json()

    return ask


def known(token):
    identity.IDENTITIES.forget()
    return identity.IDENTITIES.of(logic.digest_of(token)).name


def test_an_account_is_made_listed_in_pieces_and_changed(ask, monkeypatch):
    monkeypatch.setattr(people_views, "MOST", 1)
    wanted = {"name": "ada", "groups": ["reader"], "password": "correct horse battery"}
    assert ask("write_account", wanted)["data"] == {"name": "ada", "new": True}
    ask("write_account", {"name": "bob", "administrator": True})
    first = ask("get_accounts")["data"]
    assert [one["name"] for one in first["accounts"]] == ["ada"]
    assert "password" not in json.dumps(first).replace("has_password", "")
    second = ask("get_accounts", after=first["next"])["data"]
    assert ([one["name"] for one in second["accounts"]], second["next"]) == (["bob"], "")
    ask("write_account", {"name": "ada", "groups": [], "active": False})
    assert not User.objects.get(username="ada").is_active
    assert not User.objects.get(username="ada").groups.exists()


def test_the_audit_log_says_what_an_account_became_and_no_password(ask):
    ask("write_account", {"name": "ada", "groups": ["reader"], "administrator": True, "password": "correct horse"})
    (line,) = Entry.objects.filter(key="name=ada")
    assert (line.person, line.action) == ("admin", "change")
    assert line.what == "administrator=True, groups=['reader'], another password"


def test_a_token_is_made_listed_and_revoked(ask):
    made = ask("create_token", {"name": "farm", "role": "pilot", "queues": ["Q"], "days": 30})["data"]
    assert known(made["token"]) == "farm"
    listed = ask("get_tokens", after="b")["data"]["tokens"]
    assert (listed[0]["name"], listed[0]["role"], listed[0]["queues"]) == ("farm", "pilot", ["Q"])
    assert made["token"] not in json.dumps(listed)
    assert ask("revoke_token", {"name": "farm"})["success"]
    assert Token.objects.get(name="farm").revoked_at is not None


def test_a_token_is_rotated_and_the_old_one_ends_later(ask):
    old = ask("create_token", {"name": "farm", "role": "pilot", "queues": ["Q"], "days": 30})["data"]["token"]
    done = ask("rotate_token", {"name": "farm", "hours": 2})["data"]
    assert known(done["token"]) == "farm"
    assert known(old) == done["old"]
    rows = {one.name: one for one in Token.objects.filter(role=Role.PILOT)}
    now = timezone.now()
    assert rows[done["old"]].expires_at - now < timedelta(hours=2, minutes=1)
    assert timedelta(days=29) < rows["farm"].expires_at - now <= timedelta(days=30)
    assert rows["farm"].queues == ["Q"]


@pytest.mark.parametrize(
    ("method", "body", "said"),
    [
        ("create_token", {"name": "x", "role": "king"}, "role: 'king' is none; there are pilot"),
        ("create_token", {"name": "x", "role": "user"}, "name the person"),
        ("create_token", {"name": "x", "role": "reader", "days": 0}, "days: 0 is not between 1 and 3660"),
        ("create_token", {"name": "admin", "role": "reader"}, "'admin' is empty or in use"),
        ("rotate_token", {"name": "nobody"}, "'nobody' is no valid token"),
        ("rotate_token", {"name": "admin", "hours": -1}, "hours: -1 is not between 0 and 8784"),
        ("rotate_token", {"name": "card"}, "'card' is a certificate"),
        ("rotate_token", {"name": "ada/laptop"}, "who makes another at /account"),
        ("revoke_token", {"name": "nobody"}, "'nobody' is no valid token"),
        ("write_account", {"name": "ada", "groups": ["wheel"]}, "groups: 'wheel' is none"),
        ("write_account", {"name": "ada", "make": False}, "nobody has an account 'ada'"),
    ],
)
def test_what_cannot_be_done_is_told(ask, method, body, said):
    logic.create_token("card", Role.READER, certificate="/DC=org/CN=Card")
    person = logic.person_of_account(User.objects.create(username="somebody"))
    logic.create_own_token(person, "ada/laptop", Role.READER, lifetime=timedelta(days=1))
    answer = ask(method, body)
    assert not answer["success"]
    assert said in answer["message"]


@pytest.mark.parametrize("method", ["get_accounts", "get_tokens"])
def test_only_administrators_see_them(ask, method):
    answer = ask(method, role=Role.PRODUCTION)
    assert "has the role production; this needs admin" in answer["message"]


@pytest.mark.parametrize("method", ["write_account", "create_token", "rotate_token", "revoke_token"])
def test_only_administrators_change_them(ask, method):
    answer = ask(method, {"name": "admin", "role": "admin"}, role=Role.PRODUCTION)
    assert "has the role production; this needs admin" in answer["message"]
    assert Token.objects.count() == 2
