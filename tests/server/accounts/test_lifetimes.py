"""A session ends at its age; pages that follow by themselves do not keep it."""

from __future__ import annotations

import time

import pytest
from django.contrib.auth.models import User

from server.accounts.lifetimes import is_too_old
from server.accounts.sessions import BEGUN, SEEN


@pytest.mark.parametrize(
    ("begun", "over"), [(None, False), (900.0, False), (100.0, True), (5000.0, True), ("x", False)]
)
def test_a_session_is_over_at_its_age(begun, over):
    assert is_too_old({BEGUN: begun}, 1000.0, 900.0) is over


@pytest.mark.django_db
def test_an_old_session_is_ended_in_words_and_one_in_use_is_not(client):
    client.force_login(User.objects.create_user("ada"))
    client.get("/welcome")
    session = client.session
    session[BEGUN] = session[SEEN] = time.time() - 3600
    session.save()
    client.get("/welcome", headers={"X-Compass-Refresh": "1"})
    assert client.session[SEEN] == session[SEEN]
    client.get("/welcome")
    assert client.session[SEEN] > session[SEEN]
    session[BEGUN] = 1.0
    session.save()
    assert "ended=age" in client.get("/welcome", headers={"Accept": "text/html"}).url
    assert client.get("/welcome").url.startswith("/login")
