"""From where too many logins went wrong, no password is looked at for a while."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.accounts import passwords
from server.lib.rates import Rates

LOGIN = "/admin/login/"


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(passwords, "FAILURES", Rates(lambda: now[0], burst=passwords.WINDOW))
    return now


@pytest.fixture
def login(client, django_user_model, settings, clock):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, login_failures=3)
    django_user_model.objects.create_superuser("admin", password="twelve letters")

    def attempt(password, address="192.0.2.7"):
        client.logout()
        form = {"username": "admin", "password": password}
        return client.post(LOGIN, form, REMOTE_ADDR=address).status_code == 302

    return attempt


def test_a_right_password_lets_in_as_often_as_one_likes(login):
    assert [login("twelve letters") for _ in range(5)] == [True] * 5


def test_after_too_many_wrong_ones_even_the_right_one_is_not_looked_at(login):
    assert [login("wrong") for _ in range(3)] == [False] * 3
    assert login("twelve letters") is False
    assert login("twelve letters", address="192.0.2.8") is True


def test_one_more_is_looked_at_when_its_time_has_passed(login, clock):
    assert [login("wrong") for _ in range(4)] == [False] * 4
    clock[0] += passwords.WINDOW / 3
    assert login("twelve letters") is True


def test_a_few_wrong_ones_do_no_harm(login):
    assert [login("wrong"), login("twelve letters"), login("wrong"), login("twelve letters")] == [
        False, True, False, True,
    ]  # fmt: skip


def test_what_went_wrong_is_told_without_the_password(login, caplog):
    for _ in range(4):
        login("wrong-and-secret")
    assert "refused (too_many_logins): more than 3 wrong passwords from 192.0.2.7" in caplog.text
    assert "wrong-and-secret" not in caplog.text
