"""The server's environment variables."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from server.settings.environment import read_environment


def test_without_variables_only_loopback_names_are_answered_to():
    found = read_environment({"PATH": "/bin"})
    assert found.allowed_hosts == ["localhost", "127.0.0.1", "[::1]"]
    assert not found.debug
    assert found.folder.is_absolute()


def test_variables_replace_defaults():
    found = read_environment({"COMPASS_SERVER_HOSTS": "prod.example.org, alias", "COMPASS_SERVER_SENT_TIMEOUT": "60"})
    assert found.allowed_hosts[3:] == ["prod.example.org", "alias"]
    assert found.sent_timeout == 60


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("COMPASS_SERVER_HOEM", "/srv", r"COMPASS_SERVER_HOEM is not a setting; did you mean COMPASS_SERVER_HOME\?"),
        ("COMPASS_SERVER_SENT_TIMEOUT", "soon", "'soon' is not a whole number"),
        ("COMPASS_SERVER_SENT_TIMEOUT", "1", "1 is less than 10"),
        ("COMPASS_SERVER_DEBUG", "maybe", "'maybe' is not yes or no"),
        ("COMPASS_SERVER_XYZ", "1", "known are COMPASS_SERVER_HOME"),
    ],
)
def test_a_variable_that_cannot_be_meant_is_refused_in_words(name, text, words):
    with pytest.raises(ImproperlyConfigured, match=words):
        read_environment({name: text})


def test_what_was_answered_is_on_the_disk(db):
    if connection.vendor != "sqlite":
        pytest.skip("not tested on this database: whether it waits for the disk is its own setting")
    with connection.cursor() as cursor:
        pragma = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "foreign_keys")}
    assert pragma == {"synchronous": 2, "foreign_keys": 1}  # 2 is FULL
    assert settings.DATABASES["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_times_are_aware_and_utc():
    assert settings.USE_TZ
    assert settings.TIME_ZONE == "UTC"
    assert not settings.DEBUG
