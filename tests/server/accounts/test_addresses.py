"""From where a request comes, and how often somebody may call from there who is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.accounts import certificates, rules
from server.accounts.addresses import address_of, is_known
from server.accounts.logic import create_token
from server.accounts.models import Role
from server.lib.rates import Rates

SECRET = "s" * 32
WHO = "/api/v1/accounts/who_am_i"
PROOF = {certificates.PROOF: SECRET}


@pytest.mark.parametrize(
    ("meta", "address"),
    [
        ({"REMOTE_ADDR": "192.0.2.7"}, "192.0.2.7"),
        ({"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}, "192.0.2.7"),
        ({"HTTP_X_FORWARDED_FOR": "198.51.100.1", certificates.PROOF: "x" * 32}, ""),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "198.51.100.1", **PROOF}, "198.51.100.1"),
        ({"HTTP_X_FORWARDED_FOR": "203.0.113.5, 198.51.100.1", **PROOF}, "198.51.100.1"),
        ({"HTTP_X_FORWARDED_FOR": "198.51.100.1", certificates.SOCKET: "1"}, "198.51.100.1"),
        ({"HTTP_X_FORWARDED_FOR": "somebody", **PROOF}, ""),
        ({"REMOTE_ADDR": "127.0.0.1", **PROOF}, ""),
        ({"REMOTE_ADDR": "2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::"),
        ({"REMOTE_ADDR": "::1"}, "::1"),
        ({"REMOTE_ADDR": "::ffff:192.0.2.7"}, "192.0.2.7"),
        ({}, ""),
    ],
)
def test_a_front_that_proves_itself_says_for_whom_it_calls_and_nobody_else_does(meta, address):
    assert address_of(meta, SECRET) == address


def test_this_machines_own_address_tells_nobody_apart():
    assert [is_known(address) for address in ("192.0.2.7", "127.0.0.1", "::1", "")] == [True, False, False, False]


@pytest.fixture
def strict(settings, monkeypatch):
    """One call a second, at a clock that stands still."""
    monkeypatch.setattr(rules, "STRANGERS", Rates(lambda: 0.0))
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, stranger_rate=1)


def statuses(client, path, address, times=12, **headers):
    return [client.get(path, headers=headers, REMOTE_ADDR=address).status_code for _ in range(times)]


@pytest.mark.parametrize(("path", "first"), [(WHO, 403), ("/healthz", 200), ("/server/panda/isAlive", 200)])
def test_strangers_are_counted_by_their_address(client, db, strict, path, first):
    found = statuses(client, path, "192.0.2.7")
    assert found[:10] == [first] * 10
    sent_away = client.get(path, REMOTE_ADDR="192.0.2.7", headers={"Accept": "application/json"})
    assert (
        "more than 1 calls a second come from your address without a token that is good" in sent_away.content.decode()
    )
    assert sent_away.headers["Retry-After"] == "1"
    assert statuses(client, path, "192.0.2.8", times=1) == [first]


def test_who_is_known_is_not_counted_with_the_strangers_of_the_same_address(client, db, strict):
    token = create_token("reads", Role.READER)
    assert statuses(client, WHO, "192.0.2.7")[-1] == 429
    assert statuses(client, WHO, "192.0.2.7", Authorization=f"Bearer {token}") == [200] * 12


def test_where_addresses_tell_nobody_apart_nobody_is_sent_away(client, db, strict):
    assert statuses(client, WHO, "127.0.0.1") == [403] * 12
    assert statuses(client, WHO, "::1") == [403] * 12


def test_no_limit_is_no_limit(client, db, strict, settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, stranger_rate=0)
    assert statuses(client, WHO, "192.0.2.7") == [403] * 12
