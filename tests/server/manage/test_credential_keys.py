"""Keys are changed by a command, which shows none."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from server.credentials.keyring import NAME
from server.credentials.logic import secrets
from server.manage.home import write_credential_key
from tests.server.credentials.making import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]


@pytest.fixture
def home(tmp_path, settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, home=str(tmp_path))
    return tmp_path


def run(action):
    out = StringIO()
    call_command("credential_keys", action, stdout=out)
    return out.getvalue()


def test_keys_are_added_listed_and_dropped_and_never_shown(home):
    write_credential_key(home)
    secrets.set_secret("alice", "key", "geheim", now=NOW)
    told = run("list") + run("add") + run("list") + run("drop") + run("list")
    assert [words for words in told.split("\n") if "sealed" in words and ":" in words]
    assert "written: " in told
    assert "sealed anew: 1" in told
    assert "dropped: 1" in told
    assert told.count("1 sealed, the newest") == 3
    assert (home / NAME).read_text().strip() not in told
    (home / NAME).unlink()
    write_credential_key(home)
    assert "1 sealed, which have to be entered anew" in run("list")


def test_without_keys_the_command_says_what_to_do(home):
    with pytest.raises(CommandError, match="`compass-server init` makes it"):
        run("add")
