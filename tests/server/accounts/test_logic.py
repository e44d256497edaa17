"""Tokens for whom, people who are banned, and passes of tokens."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.accounts import logic
from server.accounts.identity import IDENTITIES, Identity, IdentityRefused, identify
from server.accounts.logic import TokenRefused, create_token
from server.accounts.models import Person, Role, Token

HOUR = timedelta(hours=1)


def test_a_users_token_is_somebodys(db):
    token = create_token("notebook", Role.USER, person="alice")
    assert identify(f"Bearer {token}") == Identity("notebook", Role.USER, "alice")
    assert Person.objects.get().name == "alice"


def test_two_tokens_of_a_person_are_of_one_person(db):
    for name in ("one", "two"):
        create_token(name, Role.USER, person="alice")
    assert Person.objects.get().tokens.count() == 2


@pytest.mark.parametrize(
    ("role", "more", "words"),
    [
        (Role.USER, {}, "person: a token of the role user"),
        (Role.SITE_ADMIN, {}, "queues: a token of the role site_admin"),
        (Role.READER, {"queues": ["Q"]}, "queues: a token of the role reader is for all"),
        (Role.USER, {"person": "p" * 61}, "60 of a person"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(db, role, more, words):
    with pytest.raises(TokenRefused, match=words):
        create_token("x", role, **more)
    assert not Token.objects.exists()
    assert not Person.objects.exists()


def test_who_is_banned_is_refused_with_every_token_and_told_why(db):
    tokens = [create_token(name, Role.USER, person="alice") for name in ("one", "two")]
    other = create_token("three", Role.USER, person="bob")
    identify(f"Bearer {tokens[0]}")
    logic.ban("alice", "too many jobs of a bad program")
    IDENTITIES.forget()
    for token in tokens:
        with pytest.raises(IdentityRefused, match="alice is banned: too many jobs of a bad program"):
            identify(f"Bearer {token}")
    assert identify(f"Bearer {other}").person == "bob"
    logic.lift_ban("alice")
    assert identify(f"Bearer {tokens[0]}").person == "alice"


def test_what_is_remembered_of_somebody_is_remembered_for_one_second_at_most():
    assert IDENTITIES.seconds <= 1.0


def test_only_who_is_known_can_be_banned_and_only_who_is_banned_be_let_in_again(db):
    with pytest.raises(TokenRefused, match="nobody whom we know"):
        logic.ban("nobody", "")
    create_token("one", Role.USER, person="alice")
    with pytest.raises(TokenRefused, match="is not banned"):
        logic.lift_ban("alice")


def test_a_pass_is_its_token_in_all_that_it_may_do(db, django_assert_num_queries):
    create_token("site-a", Role.PILOT, queues=["A", "B"])
    two = [logic.make_pass("site-a", lifetime=HOUR) for _ in range(2)]
    assert identify(f"Bearer {two[0]}") == Identity("site-a", Role.PILOT, queues=frozenset({"A", "B"}))
    with django_assert_num_queries(0):
        identify(f"Bearer {two[1]}")  # another pilot of the same token costs no statement


def test_to_revoke_a_token_ends_its_passes(db):
    create_token("site-a", Role.PILOT)
    one = logic.make_pass("site-a", lifetime=HOUR)
    logic.revoke_token("site-a")
    with pytest.raises(IdentityRefused, match="site-a was revoked"):
        identify(f"Bearer {one}")
    with pytest.raises(TokenRefused, match="no valid token"):
        logic.make_pass("site-a", lifetime=HOUR)


def test_a_pass_does_not_outlive_its_token(db):
    create_token("site-a", Role.PILOT, lifetime=timedelta(seconds=-1))
    one = logic.make_pass("site-a", lifetime=HOUR)
    with pytest.raises(IdentityRefused, match="site-a expired at"):
        identify(f"Bearer {one}")


def test_passes_are_for_pilots_alone(db):
    create_token("manager", Role.PRODUCTION)
    with pytest.raises(TokenRefused, match="is no token of pilots"):
        logic.make_pass("manager", lifetime=HOUR)


def test_a_bad_pass_is_refused_in_words(db, settings):
    create_token("site-a", Role.PILOT)
    one = logic.make_pass("site-a", lifetime=HOUR)
    settings.SECRET_KEY = "another server's"
    with pytest.raises(IdentityRefused, match="not of this server"):
        identify(f"Bearer {one}")
