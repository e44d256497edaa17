"""People log in at a page of their own and are led to where they wanted to go; the admin is not needed for that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.accounts import passwords
from server.lib.rates import Rates
from tests.kits.people import reader

WORD = "twelve letters"


@pytest.fixture
def ada(django_user_model):
    """Somebody who is no administrator's."""
    return reader("ada", password=WORD)


def log_in(client, word=WORD, **more):
    return client.post("/login", {"username": "ada", "password": word, **more})


def test_somebody_without_a_right_in_the_admin_logs_in_and_out(client, ada):
    asked = client.get("/production/audit?by=ada")
    assert (asked.status_code, asked.url) == (302, "/login?next=/production/audit%3Fby%3Dada")
    page = client.get(asked.url).content.decode()
    assert 'name="next" value="/production/audit?by=ada"' in page
    assert log_in(client, next="/production/audit?by=ada").url == "/production/audit?by=ada"
    told = client.get("/production/audit").content.decode()
    assert ">ada</a>" in told
    assert ">Admin</a>" in told
    assert client.post("/logout").url == "/login"
    assert client.get("/production/audit").status_code == 302


def test_a_wrong_password_is_told_and_not_shown_again(client, ada):
    answer = log_in(client, "wrong and secret")
    text = answer.content.decode()
    assert (answer.status_code, "No account has this name and this password" in text) == (400, True)
    assert "wrong and secret" not in text
    assert 'value="ada"' in text


@pytest.mark.parametrize("place", ["https://elsewhere.example.org/", "//elsewhere.example.org", "javascript:alert(1)"])
def test_nobody_is_led_to_another_host(client, ada, place):
    assert place not in client.get("/login", {"next": place}).content.decode()
    assert log_in(client, next=place).url == "/"


def test_an_account_that_is_off_is_not_let_in(client, ada):
    ada.is_active = False
    ada.save()
    assert log_in(client).status_code == 400


def test_too_many_wrong_passwords_have_none_looked_at(client, ada, settings, monkeypatch):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, login_failures=2)
    monkeypatch.setattr(passwords, "FAILURES", Rates(lambda: 0.0, burst=passwords.WINDOW))
    assert [log_in(client, word).status_code for word in ("a", "b", WORD)] == [400, 400, 400]


def test_who_is_in_already_goes_on(client, ada):
    client.force_login(ada)
    assert client.get("/login", {"next": "/tasks"}).url == "/tasks"


def test_a_new_session_begins_with_the_login(client, ada):
    client.get("/login")
    before = client.session.session_key
    log_in(client)
    assert client.session.session_key != before


def test_forms_without_their_token_are_refused(ada):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/login", {"username": "ada", "password": WORD}).status_code == 403
    assert strict.post("/logout").status_code == 403


def test_the_page_loads_nothing_from_elsewhere_and_is_kept_by_nobody(client, db):
    answer = client.get("/login")
    assert answer["Content-Security-Policy"].startswith("default-src 'self'")
    assert "no-store" in answer["Cache-Control"]
