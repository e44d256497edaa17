"""Who calls."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.accounts.identity import IDENTITIES, Identity, IdentityRefused, identify
from server.accounts.logic import TokenRefused, create_token, revoke_token, set_expiry
from server.accounts.models import Role, Token


def test_a_token_is_known_by_its_digest_alone(pilot_token):
    row = Token.objects.get()
    assert pilot_token not in {str(value) for value in row.__dict__.values()}
    assert len(row.digest) == 64
    assert identify(f"Bearer {pilot_token}") == Identity("a-pilot", Role.PILOT)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "abc"])
def test_a_header_without_a_token_is_refused_with_a_remedy(db, header):
    with pytest.raises(IdentityRefused, match="compass-server token create"):
        identify(header)


def test_an_unknown_token_is_refused(db):
    with pytest.raises(IdentityRefused, match="not known here"):
        identify("Bearer cps_nothing")


def test_an_expired_token_says_when_it_ended(pilot_token):
    set_expiry("a-pilot", timezone.now() - timedelta(days=1))
    with pytest.raises(IdentityRefused, match="expired at"):
        identify(f"Bearer {pilot_token}")


def test_a_revoked_token_ends_as_soon_as_it_is_forgotten(pilot_token):
    identify(f"Bearer {pilot_token}")
    revoke_token("a-pilot")
    IDENTITIES.forget()
    with pytest.raises(IdentityRefused, match="was revoked"):
        identify(f"Bearer {pilot_token}")


def test_a_known_token_costs_no_statement(pilot_token, django_assert_num_queries):
    identify(f"Bearer {pilot_token}")
    with django_assert_num_queries(0):
        identify(f"Bearer {pilot_token}")


def test_the_last_use_is_written_once_per_hour(pilot_token, django_assert_num_queries):
    identify(f"Bearer {pilot_token}")
    assert Token.objects.get().last_used_at is not None
    IDENTITIES.forget()
    with django_assert_num_queries(1):
        identify(f"Bearer {pilot_token}")


def test_two_tokens_cannot_have_one_name(pilot_token):
    with pytest.raises(TokenRefused, match="in use"):
        create_token("a-pilot", Role.READER)


def test_only_a_valid_token_can_be_revoked(pilot_token):
    revoke_token("a-pilot")
    for name in ("a-pilot", "nobody"):
        with pytest.raises(TokenRefused, match="no valid token"):
            revoke_token(name)
