"""Keys are changed in steps that say what comes next, by commands and by programs alike; none is ever shown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from django.db import connection
from django.test import Client

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.credentials.keyring import new_key
from server.lib import ed25519
from server.manage import keys, secret_key


@pytest.fixture
def home(tmp_path, settings):
    settings.HOME = tmp_path
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, home=str(tmp_path))
    settings.SIGNING_KEY = None
    for name, text in (("credential_keys", new_key()), ("secret_key", secret_key.new_key())):
        (tmp_path / name).write_text(text + "\n")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def test_keys_of_credentials_are_added_and_dropped(db, home):
    first = (home / "credential_keys").read_text()
    assert "sealed anew with it: 0" in keys.change("credentials", "add", only_here=True)
    assert (home / "credential_keys").read_text().endswith(first)
    shown = keys.shown()["credentials"]
    assert [(one["sealed"], one["used"]) for one in shown["keys"]] == [(0, True), (0, False)]
    assert first.strip() not in json.dumps(keys.shown())
    assert keys.change("credentials", "drop", only_here=True).endswith(": 1")


def test_the_key_that_signs_jobs_is_followed_by_another_and_dropped(db, home):
    assert "name it by COMPASS_SERVER_SIGNING_KEY" in keys.change("signing", "add", only_here=True)
    assert ed25519.sign(b"any text", keys.signing_file())
    old = (home / "signing_key.pem.pub").read_text()
    assert "give its public key to the pilots" in keys.change("signing", "add", only_here=True)
    assert [one["does"] for one in keys.shown()["signing"]["keys"]] == ["signs", "follows"]
    keys.change("signing", "use", only_here=True)
    assert [one["does"] for one in keys.shown()["signing"]["keys"]] == ["signs", "was used before"]
    assert keys.shown()["signing"]["keys"][1]["key"] == old.strip()
    assert "PRIVATE" not in json.dumps(keys.shown())
    keys.change("signing", "drop", only_here=True)
    assert sorted(one.name for one in home.glob("signing_key*")) == ["signing_key.pem", "signing_key.pem.pub"]


def test_the_key_of_passes_is_added_used_and_dropped(db, home):
    first = (home / "secret_key").read_text().strip()
    assert "then use it" in keys.change("secret", "add", only_here=True)
    assert keys.shown()["secret"]["count"] == 2
    keys.change("secret", "use", only_here=True)
    assert (home / "secret_key").read_text().split()[1] == first
    assert first not in json.dumps(keys.shown())
    assert keys.change("secret", "drop", only_here=True).startswith("dropped: 1")


@pytest.mark.parametrize(
    ("kind", "step", "said"),
    [
        ("door", "add", "kind: 'door' is none; there are credentials, signing, secret"),
        ("credentials", "use", "step: 'use' is none for credentials; there are add, drop"),
        ("secret", "use", "has one key, which is used; add another one first"),
        ("signing", "use", "signing_key.pem.next: No such file"),
        ("signing", "drop", "there is no old key to be dropped"),
    ],
)
def test_a_step_that_cannot_be_done_is_told(db, home, kind, step, said):
    with pytest.raises(keys.KeysRefused, match=said):
        keys.change(kind, step, only_here=True)


def test_a_home_that_cannot_be_read_is_told_beside_the_others(db, home):
    (home / "credential_keys").chmod(0o644)
    assert "others may read" in keys.shown()["credentials"]["wrong"]
    assert keys.shown()["secret"]["count"] == 1


def test_other_machines_of_the_database_are_thought_of(db, home, monkeypatch):
    monkeypatch.setattr(connection, "vendor", "postgresql")
    with pytest.raises(keys.KeysRefused, match="only_here: the files of the machine that answers"):
        keys.change("secret", "add", only_here=False)
    assert keys.change("secret", "add", only_here=True)


def test_administrators_alone_see_and_change_them_by_programs(db, home):
    def ask(role, body=None):
        token = create_token(f"{role}{body}"[:20], role)
        client = Client(headers={"authorization": f"Bearer {token}", "accept": "application/json"})
        if body is None:
            return client.get("/api/v1/keys/get_keys").json()
        return client.post("/api/v1/keys/change_key", json.dumps(body), content_type="application/json").json()

    assert set(ask(Role.ADMIN)["data"]["kinds"]) == set(keys.KINDS)
    done = ask(Role.ADMIN, {"kind": "secret", "step": "add", "only_here": True})["data"]
    assert done["said"].startswith("a key was added")
    assert "there are credentials" in ask(Role.ADMIN, {"kind": "x", "step": "add"})["message"]
    assert "this needs admin" in ask(Role.READER)["message"]
    assert "this needs admin" in ask(Role.PRODUCTION, {"kind": "secret", "step": "drop"})["message"]
