"""Keys for tokens are good in their period and the next one, for one credential alone."""

from __future__ import annotations

from datetime import timedelta

from server.credentials.token_keys import is_key, key_of
from tests.server.credentials.making import NOW

DAY = timedelta(days=1)


def test_a_key_lives_through_its_period_and_the_next(settings):
    key = key_of("robot", 2, NOW)
    assert len(key) == 43
    assert is_key(key, "robot", 2, NOW)
    assert is_key(key, "robot", 2, NOW + 2 * DAY)
    assert not is_key(key, "robot", 2, NOW + 4 * DAY)
    assert not is_key(key, "robot", 2, NOW - 2 * DAY)


def test_a_key_is_for_one_credential_of_one_server(settings):
    key = key_of("robot", 2, NOW)
    assert not is_key(key, "other", 2, NOW)
    assert not is_key(key, "robot", 3, NOW)
    assert not is_key("ü", "robot", 2, NOW)
    settings.SECRET_KEY = "another"
    assert not is_key(key, "robot", 2, NOW)


def test_a_key_is_good_while_the_servers_secret_is_changed(settings):
    key = key_of("robot", 2, NOW)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    assert is_key(key, "robot", 2, NOW)
    assert key_of("robot", 2, NOW) != key
