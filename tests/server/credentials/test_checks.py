"""The check of an installation tells when keys are gone, and when a credential needs somebody."""

from __future__ import annotations

import pytest

from server.credentials.checks import look
from server.credentials.keyring import NAME
from server.credentials.logic import secrets
from server.manage.home import write_credential_key
from tests.server.credentials.making import NOW, credential

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]


def told():
    return {found.id: found.msg for found in look()}


def test_where_all_is_well_nothing_is_said(home):
    credential("t", name="robot")
    assert told() == {}


def test_keys_that_are_gone_are_an_error_and_what_they_sealed_a_warning(home):
    secrets.set_secret("alice", "key", "geheim", now=NOW)
    (home / NAME).unlink()
    assert list(told()) == ["compass.E050"]
    write_credential_key(home)
    assert told() == {"compass.W050": "1 credentials and secrets were sealed with a key that is not in credential_keys"}


def test_a_credential_that_ended_is_told(home):
    credential("t", name="robot", ends_at=NOW)
    assert told() == {"compass.W051": "the credential robot: ended; see Credentials in the admin"}
