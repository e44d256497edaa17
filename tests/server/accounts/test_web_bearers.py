"""Who comes with a web token: in which role, as which person, and refused within a second when banned."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from django.core.management import call_command

from server.accounts import logic
from server.accounts.identity import BY_LOGIN, Identity, IdentityRefused, identify
from server.accounts.issuers import issuers_in
from server.accounts.models import Login, Person, Role
from tests.services import issuer as issuers

WHO = "/api/v1/accounts/who_am_i"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    with issuers.running(tmp_path_factory.mktemp("issuer") / "authority") as issuer:
        yield issuer


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """Wait for keys as long as a slow machine needs."""
    monkeypatch.setattr("server.accounts.issuer_keys.PATIENCE", 60.0)


@pytest.fixture
def believe(issuer, settings, tmp_path):
    """Write the file of issuers and have it used."""

    def write(**said):
        roles = [
            {"group": "compass/production", "role": "production"},
            {"scope": "compute.create", "role": "pilot", "queues": ["LOCAL"]},
            {"group": "compass", "role": "user"},
        ]
        entry = {"issuer": issuer.address, "audience": "compass", "algorithms": ["ES256"], "roles": roles}
        path = tmp_path / "issuers.yaml"
        path.write_text(yaml.safe_dump([{**entry, "authorities": str(issuer.authority.file), **said}]))
        issuers_in.cache_clear()
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, issuers_file=str(path))

    yield write
    issuers_in.cache_clear()


def ask(client, token, **headers):
    return client.get(WHO, headers={"Authorization": f"Bearer {token}", **headers})


def test_a_bearer_is_who_its_issuer_says_in_the_role_that_the_table_gives(client, db, issuer, believe):
    believe()
    answer = ask(client, issuer.token(**{"wlcg.groups": ["/compass"]}))
    assert answer.json()["data"] == {
        "name": "1234@localhost", "role": "user", "person": "1234@localhost", "queues": [],
    }  # fmt: skip
    answer = ask(client, issuer.token(scope="compute.create compute.read"))
    assert (answer.json()["data"]["role"], answer.json()["data"]["queues"]) == ("pilot", ["LOCAL"])
    assert Login.objects.get().person == Person.objects.get()


def test_whoever_has_several_roles_says_by_origin_which_is_meant(client, db, issuer, believe):
    believe()
    token = issuer.token(groups=["compass", "compass/production"])
    assert ask(client, token).json()["data"]["role"] == "production"
    assert ask(client, token, Origin="compass:production").json()["data"]["role"] == "production"
    plain = issuer.token(groups=["compass"])
    refused = ask(client, plain, Origin="compass.production")
    assert refused.status_code == 403
    assert "means a role here that Origin: compass.production asks for (groups: compass;" in refused.json()["message"]


def test_a_token_without_a_role_is_told_what_it_has(client, db, issuer, believe):
    believe()
    refused = ask(client, issuer.token(groups=["atlas"], scope="openid"))
    words = "nothing in this token of 1234 means a role here (groups: atlas; scopes: openid)"
    assert words in refused.json()["message"]
    assert not Person.objects.exists()


def test_a_ban_holds_as_soon_as_what_was_looked_up_is_forgotten(client, db, issuer, believe, monkeypatch):
    believe()
    token = issuer.token(groups=["compass"])
    assert ask(client, token).status_code == 200
    logic.ban("1234@localhost", "too many jobs")
    assert BY_LOGIN.seconds == 1.0
    BY_LOGIN.forget()
    refused = ask(client, token)
    assert "1234@localhost is banned: too many jobs" in refused.json()["message"]
    with pytest.raises(IdentityRefused) as why:
        identify(f"Bearer {issuer.token(groups=['compass'], scope='another')}")  # another token is no way out
    assert why.value.reason == "banned"


def test_a_name_that_the_issuer_gives_is_taken_once(db, issuer, believe):
    believe(person="preferred_username")
    said = {"groups": ["compass"], "preferred_username": "alice"}
    assert identify(f"Bearer {issuer.token(**said)}") == Identity("alice", Role.USER, "alice")
    with pytest.raises(IdentityRefused, match="the name alice is known here, and not as the login 5678 of") as why:
        identify(f"Bearer {issuer.token(sub='5678', **said)}")
    assert why.value.reason == "name_taken"
    logic.join_login("alice", issuer.address, "5678")
    assert identify(f"Bearer {issuer.token(sub='5678', **said)}").person == "alice"


def test_two_spellings_of_a_subject_are_two_people(db, issuer):
    one, two = (logic.person_of_login(issuer.address, subject) for subject in ("abc", "ABC"))
    assert one != two
    assert logic.person_of_login(issuer.address, "abc") == one


def test_a_name_that_is_too_long_for_a_person_gets_another_one(db, issuer):
    person = logic.person_of_login(issuer.address, "x" * 250)
    assert len(person.name) == 64


@pytest.mark.parametrize(("subject", "name"), [("/DC=ch/CN=alice", ""), ("1234", "/DC=ch/CN=alice")])
def test_a_name_that_is_like_a_certificates_gets_another_one(db, issuer, subject, name):
    person = logic.person_of_login(issuer.address, subject, name)
    assert len(person.name) == 64
    assert person == logic.person_of_login(issuer.address, subject, name)


def test_a_login_is_joined_to_a_person_by_the_command(db, issuer, capsys):
    Person.objects.create(name="alice")
    call_command("token", "login", "alice", "--issuer", issuer.address, "--subject", "1234")
    assert capsys.readouterr().out == f"known: 1234 of {issuer.address} as alice\n"
    assert logic.person_of_login(issuer.address, "1234").name == "alice"


def test_nobody_can_be_joined_to_a_login(db):
    with pytest.raises(logic.TokenRefused, match="'nobody' is nobody whom we know"):
        logic.join_login("nobody", "https://iam.example.org/", "1234")


def test_where_no_issuer_is_believed_a_web_token_is_an_unknown_one(db, issuer):
    with pytest.raises(IdentityRefused, match="not known here"):
        identify(f"Bearer {issuer.token()}")


def test_an_issuer_that_is_down_refuses_nobody_whose_key_is_known(client, db, issuer, believe):
    believe()
    assert ask(client, issuer.token(groups=["compass"])).status_code == 200
    issuer.status = 500
    try:
        assert ask(client, issuer.token(groups=["compass"], sub="5678")).status_code == 200
    finally:
        issuer.status = 200


def test_a_known_token_costs_no_look_at_issuer_and_database(
    issuer, believe, db, monkeypatch, django_assert_num_queries
):
    believe()
    monkeypatch.setattr(BY_LOGIN, "seconds", 3600.0)
    header = f"Bearer {issuer.token(groups=['compass'])}"
    identify(header)
    issuer.asked.clear()
    with django_assert_num_queries(0):
        assert identify(header).role is Role.USER
    assert issuer.asked == []


def test_no_answer_and_no_log_holds_a_web_token(client, db, issuer, believe, caplog):
    believe()
    caplog.set_level("DEBUG")
    for token in (issuer.token(groups=["compass"]), issuer.token(aud="another"), issuer.token()[:-4]):
        said = ask(client, token).content.decode()
        assert token.split(".")[1] not in said + caplog.text
