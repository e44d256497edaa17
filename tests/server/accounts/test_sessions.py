"""Who is let into a session, and how one ends when its person is banned."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory

from server.accounts import logic
from server.accounts.models import Person
from server.accounts.sessions import BY, LoginRefused, begin


@pytest.fixture
def ann(db):
    user = User.objects.create_user("ann", password="twelve letters")
    Person.objects.create(name="ann", account=user)
    return user


def asked(client):
    request = RequestFactory().get("/login")
    request.session, request.user = client.session, AnonymousUser()
    return request


def test_a_session_says_how_it_began_and_has_a_new_key(client, ann):
    request = asked(client)
    request.session["seen"] = 1
    request.session.save()
    before = request.session.session_key
    begin(request, ann, by="certificate")
    assert request.session[BY] == "certificate"
    assert request.session.session_key != before
    assert request.user == ann


def test_who_is_banned_is_refused_with_the_reason(client, ann):
    logic.ban("ann", "fills every disk")
    with pytest.raises(LoginRefused, match="ann is banned: fills every disk; ask an administrator"):
        begin(asked(client), User.objects.get(), by="certificate")


def test_who_is_switched_off_is_refused(client, ann):
    ann.is_active = False
    with pytest.raises(LoginRefused, match="the account ann is switched off"):
        begin(asked(client), ann, by="certificate")


def test_a_ban_ends_the_sessions_that_there_are_and_no_password_is_good(client, ann):
    assert client.login(username="ann", password="twelve letters")
    assert client.get("/login").status_code == 302  # is logged in
    logic.ban("ann", "")
    assert client.get("/login").status_code == 200
    assert not client.login(username="ann", password="twelve letters")
