"""Credentials and secrets over HTTP, in both dialects: given by PanDA's shapes and codes, refused with the reason."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.credentials.models import HandOut, Kind, UserSecret
from server.manage.home import write_credential_key
from server.taskbuffer.models import JobParameters
from tests.server.credentials.making import ROLE, credential
from tests.server.dispatcher.conftest import Peer

pytestmark = pytest.mark.one_python

CREDS, LEGACY = "/api/v1/creds/", "/server/panda/"
#: What is asked in the newer dialect, and what is answered in both.
ASKS = {
    "get_proxy": ({"role": ROLE}, {"user_proxy": "the proxy"}),
    "get_key_pair": ({"public_key_name": "a", "private_key_name": "b"}, {"public_key": "P", "private_key": "S"}),
    "get_access_token": ({"client_name": "pilot_server", "token_key": "secret-of-mine"}, {"user_proxy": "the token"}),
}
LEGACY_ASKS = {
    "getProxy": ({"role": ROLE, "more": "passed over"}, {"userProxy": "the proxy"}, 90),
    "getKeyPair": ({"publicKeyName": "a", "privateKeyName": "b"}, {"publicKey": "P", "privateKey": "S"}, 80),
    "get_access_token": ({"client_name": "pilot_server"}, {"userProxy": "the token"}, 80),
}


@pytest.fixture(autouse=True)
def home(tmp_path, settings, db):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, home=str(tmp_path))
    write_credential_key(tmp_path)
    return tmp_path


@pytest.fixture
def there():
    """One credential of each kind."""
    ends_at = timezone.now() + timedelta(hours=1)
    credential("the proxy", kind=Kind.PROXY, asked_as=ROLE, ends_at=ends_at)
    credential("P\nS", kind=Kind.KEY_PAIR, asked_as="a b")
    credential("the token", kind=Kind.TOKEN, ends_at=ends_at)


def ask(peer, path, fields):
    return peer.client.get(path, fields, headers={"Authorization": f"Bearer {peer.token}"})


@pytest.mark.parametrize("name", ASKS)
def test_the_newer_dialect_gives_in_its_envelope(there, pilot, name):
    fields, expected = ASKS[name]
    assert ask(pilot, CREDS + name, fields).json() == {"success": True, "message": "", "data": expected}
    assert HandOut.objects.get().to == "a-pilot"


@pytest.mark.parametrize("name", ASKS)
def test_where_there_is_none_nothing_of_a_key_is_told(pilot, name):
    answer = ask(pilot, CREDS + name, ASKS[name][0]).json()
    assert (answer["success"], answer["data"]) == (False, None)
    assert answer["message"].startswith("this server has not ")
    assert "secret-of-mine" not in str(answer)


@pytest.mark.parametrize("name", LEGACY_ASKS)
def test_the_older_dialect_gives_in_every_dress(there, speak, name):
    fields, expected, _ = LEGACY_ASKS[name]
    said = speak(LEGACY + name, fields)
    assert int(said.pop("StatusCode")) == 0
    assert said == expected


@pytest.mark.parametrize("name", LEGACY_ASKS)
def test_the_older_dialect_refuses_by_pandas_code(pilot, name):
    fields, _, status = LEGACY_ASKS[name]
    said = pilot.form(LEGACY + name, fields)
    assert said["StatusCode"] == status
    assert said["errorDialog"] == said["ErrorDialog"]
    assert "this server has not" in said["errorDialog"]


def test_a_token_is_read_by_a_parser_of_pythons_literals(there, pilot):
    text = ask(pilot, f"{LEGACY}get_access_token", {"client_name": "pilot_server"}).content.decode()
    assert ast.literal_eval(text) == {"StatusCode": 0, "userProxy": "the token"}


def test_a_token_key_opens_the_way_to_its_token(pilot):
    credential("the token", key_days=1, name="robot", ends_at=timezone.now() + timedelta(hours=1))
    told = ask(pilot, f"{CREDS}get_token_key", {"client_name": "pilot_server"}).json()["data"]["tokenKey"]
    legacy = ask(pilot, f"{LEGACY}get_token_key", {"client_name": "pilot_server"}).json()
    assert legacy == {"StatusCode": 0, "tokenKey": told}
    wanted = {"client_name": "pilot_server", "token_key": told}
    assert ask(pilot, f"{CREDS}get_access_token", wanted).json()["data"] == {"user_proxy": "the token"}
    refused = ask(pilot, f"{CREDS}get_access_token", {**wanted, "token_key": "guessed"}).json()
    assert (refused["success"], "guessed" in refused["message"]) == (False, False)


def test_only_pilots_ask(there, manager):
    assert ask(manager, f"{CREDS}get_proxy", {"role": ROLE}).status_code == 403
    assert manager.form(f"{LEGACY}getProxy", {"role": ROLE})["StatusCode"] == 60


def user(client, name="alice", role=Role.USER):
    return Peer(client, create_token(f"token of {name}", role, person=name))


def test_a_user_keeps_secrets_and_nobody_is_shown_them(client):
    alice, bob = user(client), user(client, "bob")
    for name in ("one", "two"):
        assert alice.v1(f"{CREDS}set_user_secrets", {"key": name, "value": "geheim"})["success"]
    kept = ask(alice, f"{CREDS}get_user_secrets", {}).json()
    assert kept["data"] == {"one": "(hidden)", "two": "(hidden)"}
    assert ask(alice, f"{CREDS}get_user_secrets", {"keys": ["two", "x"]}).json()["data"] == {"two": "(hidden)"}
    assert ask(bob, f"{CREDS}get_user_secrets", {}).json()["data"] == {}
    assert alice.v1(f"{CREDS}set_user_secrets", {"key": "one"})["data"] == {"removed": 1}
    assert bob.v1(f"{CREDS}set_user_secrets", {})["data"] == {"removed": 0}
    assert UserSecret.objects.count() == 1
    assert alice.v1(f"{CREDS}set_user_secrets", {})["data"] == {"removed": 1}


def test_a_secret_that_cannot_be_kept_is_refused(client, home, manager):
    alice = user(client)
    for said, words in [
        ({"value": "geheim"}, "key: missing"),
        ({"key": "a" * 61, "value": "geheim"}, "is not a name of"),
    ]:
        told = alice.v1(f"{CREDS}set_user_secrets", said)
        assert (told["success"], words in told["message"], "geheim" in told["message"]) == (False, True, False)
    told = manager.v1(f"{CREDS}set_user_secrets", {"key": "a", "value": "b"})
    assert "secrets belong to a person" in told["message"]
    (home / "credential_keys").unlink()
    told = alice.v1(f"{CREDS}set_user_secrets", {"key": "a", "value": "geheim"})
    assert told["message"] == "this server cannot keep secrets now; its log says why"
    assert json.dumps(told).count("geheim") == 0


def order(**more):
    return {"computingSite": "LOCAL", "transformation": "true", **more}


def test_a_jobs_secrets_reach_the_pilot_that_claims_it_and_nobody_else(client, manager, pilot, queue):
    alice = user(client)
    assert alice.v1(f"{CREDS}set_user_secrets", {"key": "general", "value": "word"})["success"]
    wanted = [order(), order(useSecrets=True), order(secrets={"special": "geheim"})]
    numbers = [one[0] for one in alice.v1("/api/v1/job/submit", {"jobs": wanted})["data"]]
    for path in ("get_description", "get_description_incl_archive", "get_status"):
        shown = ask(alice, f"/api/v1/job/{path}", {"job_ids": numbers}).content
        assert b"geheim" not in shown
    said = {"site_name": "LOCAL", "n_jobs": 3, "prod_source_label": "user"}
    asked = {"X_Compass_Request_Id": "11111111-1111-4111-8111-111111111111"}
    for _ in range(2):  # the second time because the answer was lost
        jobs = pilot.v1("/api/v1/pilot/acquire_jobs", said, **asked)["data"]["jobs"]
        given = {job["PandaID"]: json.loads(job.get("secrets", "null")) for job in jobs}
        assert given == {
            numbers[0]: None,
            numbers[1]: {"general": "word"},
            numbers[2]: {"general": "word", "special": "geheim"},
        }
        assert "geheim" not in JobParameters.objects.get(job=numbers[2]).panda
    line = HandOut.objects.filter(job=numbers[2]).first()
    assert (line.to, line.attempt, line.what) == ("a-pilot", 1, "secrets of alice")


def test_secrets_that_cannot_be_kept_submit_nothing(client, queue, home):
    alice = user(client)
    for wrong in ("geheim", {"a" * 61: "geheim"}, {"a": ["geheim"]}):
        told = alice.v1("/api/v1/job/submit", {"jobs": [order(), order(secrets=wrong)]})
        assert (told["success"], "jobs[1].secrets: " in told["message"], "geheim" in told["message"]) == (
            False,
            True,
            False,
        )
    (home / "credential_keys").unlink()
    assert not alice.v1("/api/v1/job/submit", {"jobs": [order(secrets={"a": "b"})]})["success"]
    assert not JobParameters.objects.exists()
