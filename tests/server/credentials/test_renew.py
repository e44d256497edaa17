"""Credentials are renewed before they end, from each source; what fails is tried again, ever more seldom."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from server.credentials import endpoints
from server.credentials.endpoints import Granted
from server.credentials.logic import enter, renew
from server.credentials.models import Credential, Kind, Source
from tests.server.credentials import making
from tests.server.credentials.making import HOUR, NOW, credential

pytestmark = [pytest.mark.django_db, pytest.mark.one_python, pytest.mark.usefixtures("home")]


def from_file(private_file, text, **fields):
    return credential(source=Source.FILE, path=str(private_file(text)), **fields)


def again(row):
    return Credential.objects.get(pk=row.pk)


def opened(row, keys):
    return keys.open(again(row).sealed, renew.place(row))


def test_a_file_is_taken_as_it_is_now(private_file, keys):
    text = making.proxy()
    row = from_file(private_file, text + "\n", kind=Kind.PROXY, asked_as=making.ROLE)
    assert renew.renew_due(NOW, lambda: None) == {"renewed": 1, "failed": 0}
    assert opened(row, keys) == text
    found = again(row)
    assert (found.ends_at, found.obtained_at, found.last_error) == (NOW + 12 * HOUR, NOW, "")
    assert renew.renew_due(NOW + HOUR, lambda: None) == {"renewed": 0, "failed": 0}, "it is the same"
    private_file(making.proxy(NOW + 20 * HOUR))
    assert renew.renew_due(NOW + HOUR, lambda: None)["renewed"] == 1
    assert again(row).ends_at == NOW + 20 * HOUR


def test_a_file_that_is_no_good_leaves_what_there_is_and_says_why(private_file, keys, caplog):
    row = from_file(private_file, making.token())
    renew.renew_due(NOW, lambda: None)
    private_file("geheim")
    assert renew.renew_due(NOW, lambda: None) == {"renewed": 0, "failed": 1}
    found = again(row)
    assert (found.failures, found.last_error) == (1, "it is no JSON web token that says when it ends")
    assert opened(row, keys) == making.token()
    private_file(making.token(NOW))
    renew.renew_due(NOW, lambda: None)
    assert again(row).last_error == "it ended at 2026-11-22 12:00 UTC"
    private_file(making.token())
    renew.renew_due(NOW, lambda: None)
    assert (again(row).failures, again(row).last_error) == (0, "")
    assert "geheim" not in caplog.text


def test_a_program_is_run_when_it_was_named(settings, keys):
    said = making.token()
    row = credential(source=Source.COMMAND, command=[sys.executable, "-c", f"print('{said}')"])
    assert renew.renew(row, NOW) is False
    assert "is not among COMPASS_SERVER_CREDENTIAL_PROGRAMS" in again(row).last_error
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, credential_programs=f"/bin/false, {sys.executable}")
    assert renew.renew(again(row), NOW) is True
    assert opened(row, keys) == said


def at_endpoint(monkeypatch, *answers, **fields):
    asked, left = [], list(answers)

    def ask(question, *, now):
        asked.append(question)
        if isinstance(answer := left.pop(0), Exception):
            raise answer
        return answer

    monkeypatch.setattr(endpoints, "ask", ask)
    row = credential(source=Source.ENDPOINT, endpoint="https://here/token", client_id="robot", **fields)
    return row, asked


def test_an_endpoint_is_asked_with_what_was_entered_and_then_with_what_it_gave(monkeypatch, keys):
    given = [Granted(making.token(NOW + n * HOUR), NOW + n * HOUR, f"refresh {n}") for n in (1, 2)]
    row, asked = at_endpoint(monkeypatch, *given)
    enter.enter_grant(row, {"client_secret": "word", "refresh_token": "refresh 0"})
    assert renew.renew(again(row), NOW) is True
    assert renew.renew(again(row), NOW + HOUR / 2) is True
    assert [one.grant for one in asked] == [
        {"client_secret": "word", "refresh_token": "refresh 0"},
        {"client_secret": "word", "refresh_token": "refresh 1"},
    ]
    assert opened(row, keys) == given[1].token
    assert b"refresh" not in again(row).sealed_grant


def test_another_address_learns_nothing_of_what_the_first_was_asked_with(monkeypatch):
    row, asked = at_endpoint(monkeypatch, Granted("t", NOW + HOUR))
    enter.enter_grant(row, {"client_secret": "word"})
    Credential.objects.update(endpoint="https://elsewhere/token")
    assert renew.renew(again(row), NOW) is False
    assert (asked, "enter it anew" in again(row).last_error) == ([], True)
    enter.enter_grant(again(row), {"refresh_token": "new"})
    assert renew.renew(again(row), NOW) is True
    assert asked[0].grant == {"refresh_token": "new"}


def test_what_was_entered_first_stays_beside_what_is_entered_later(monkeypatch):
    row, asked = at_endpoint(monkeypatch, Granted("t", NOW + HOUR))
    enter.enter_grant(row, {"client_secret": "word"})
    enter.enter_grant(again(row), {"refresh_token": "new"})
    renew.renew(again(row), NOW)
    assert asked[0].grant == {"client_secret": "word", "refresh_token": "new"}


def test_what_fails_is_tried_again_ever_more_seldom(monkeypatch):
    row, _ = at_endpoint(monkeypatch, *[endpoints.EndpointFailed("it is away")] * 20)
    tries = []
    for minute in range(120):
        if renew.renew_due(NOW + timedelta(minutes=minute), lambda: None)["failed"]:
            tries.append(minute)
    assert tries == [0, 1, 3, 8, 23, 53, 83, 113]
    assert again(row).last_error == "it is away"


def test_an_endpoint_gives_tokens_alone(monkeypatch):
    row, asked = at_endpoint(monkeypatch, kind=Kind.PROXY)
    assert renew.renew(row, NOW) is False
    assert asked == []


def test_what_lives_long_enough_is_left_alone(monkeypatch):
    row, asked = at_endpoint(monkeypatch, ends_at=NOW + 7 * HOUR, text="t", obtained_at=NOW - 20 * HOUR)
    kept = []
    assert renew.renew_due(NOW, lambda: kept.append(1)) == {"renewed": 0, "failed": 0}
    assert (asked, kept) == ([], [])
    assert renew.is_due(row, NOW + HOUR)
    row.enabled = False
    assert not renew.is_due(row, NOW + HOUR)


def test_keys_do_not_end(private_file, keys):
    row = from_file(private_file, "public\nprivate\n", kind=Kind.KEY_PAIR)
    renew.renew_due(NOW, lambda: None)
    assert again(row).ends_at is None
    assert opened(row, keys).split() == ["public", "private"]


def test_what_is_entered_is_checked_and_kept(keys):
    row = credential()
    enter.enter(row, making.token(), NOW)
    assert opened(row, keys) == making.token()
    assert again(row).ends_at == NOW + HOUR
    with pytest.raises(ValueError, match="it ended at"):
        enter.enter(row, making.token(NOW - HOUR), NOW)
    assert not renew.is_due(again(row), NOW + 9 * HOUR)


def test_without_keys_nothing_is_kept_and_the_words_say_so(home, private_file):
    row = from_file(private_file, making.token())
    (home / "credential_keys").unlink()
    assert renew.renew(row, NOW) is False
    assert "`compass-server init` makes it" in again(row).last_error
    assert again(row).sealed is None


def test_a_grant_is_no_text_in_the_database(monkeypatch):
    row, _ = at_endpoint(monkeypatch)
    enter.enter_grant(row, {"client_secret": "geheim"})
    with pytest.raises(UnicodeDecodeError):
        json.loads(bytes(again(row).sealed_grant))
