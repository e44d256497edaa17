"""``compass admin person|token|key`` says what shall be, and writes secrets where nobody else reads them."""

from __future__ import annotations

import json

import pytest

from client import admin_people, cli

ADA = {
    **{"name": "ada", "email": "", "administrator": True, "active": False, "groups": ["reader"], "has_password": True},
    **{"sites": ["JINR"], "queues": ["Q"], "certificates": ["/CN=Ada"], "last_login": "2026-11-23T08:00:00+00:00"},
}
FARM = {
    **{"name": "farm", "role": "pilot", "person": "ada", "banned": True, "queues": ["Q"], "is_own": False},
    **{"created_at": "2026-11-23T08:00:00+00:00", "expires_at": None, "revoked_at": None, "last_used_at": None},
}
ROTATED = {"name": "farm", "token": "cps_new", "old": "farm before 2026", "old_ends_at": "2026-12-07T08:00:00+00:00"}


class Server:
    def __init__(self, *answers):
        self.answers, self.calls = list(answers), []

    def post(self, method, body):
        self.calls.append((method, body))
        return self.answers.pop(0)

    def get(self, method, **query):
        self.calls.append((method, query))
        return self.answers.pop(0)


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*words, answers=()):
        server = Server(*answers)
        monkeypatch.setattr(admin_people, "connect", lambda _: server)
        status = cli.main(["admin", *map(str, words)])
        told = capsys.readouterr()
        return status, server.calls, told.out + told.err

    return run


def test_an_administrator_is_made_with_a_password_from_a_file(run, tmp_path):
    (tmp_path / "password").write_text("correct horse battery\n")
    words = ("person", "create", "ada", "--administrator", "--password-file", tmp_path / "password")
    status, calls, told = run(*words, answers=[{"name": "ada", "new": True}])
    body = {"name": "ada", "make": True, "administrator": True, "password": "correct horse battery"}
    assert (status, calls) == (0, [("accounts/write_account", body)])
    assert "ada is made" in told
    assert "correct" not in told


def test_what_is_not_named_is_not_sent_and_an_empty_word_takes_all(run):
    words = ("person", "set", "ada", "--group", "", "--site", "JINR", "--site", "CERN", "--off")
    _, calls, told = run(*words, answers=[{"name": "ada", "new": False}])
    body = {"name": "ada", "make": False, "active": False, "groups": [], "sites": ["JINR", "CERN"]}
    assert calls == [("accounts/write_account", body)]
    assert "ada is changed" in told


def test_accounts_are_listed_with_their_rights(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    answers = [{"accounts": [ADA], "next": "ada"}, {"accounts": [ADA | {"name": "bob", "active": True}], "next": ""}]
    _, calls, told = run("person", "list", answers=answers)
    assert calls == [("accounts/get_accounts", {}), ("accounts/get_accounts", {"after": "ada"})]
    for word in ("ada (off)", "administrator, reader", "site JINR, Q", "/CN=Ada", "2026-11-23 08:00", "bob"):
        assert word in told


def test_a_token_is_written_where_only_its_owner_reads_it(run, tmp_path):
    file = tmp_path / "farm.token"
    words = ("token", "create", "farm", "--role", "pilot", "--queue", "Q", "--days", 30, "--file", file)
    _, calls, told = run(*words, answers=[{"name": "farm", "token": "cps_secret"}])
    assert calls == [("accounts/create_token", {"name": "farm", "role": "pilot", "queues": ["Q"], "days": 30})]
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("cps_secret\n", 0o600)
    assert "cps_secret" not in told
    status, calls, told = run(*words)
    assert (status, calls) == (1, [])  # before a token is made that nobody would have
    assert "exists" in told


def test_a_token_is_rotated_and_the_end_of_the_old_one_told(run):
    _, calls, told = run("token", "rotate", "farm", "--hours", "2", answers=[dict(ROTATED)])
    assert calls == [("accounts/rotate_token", {"name": "farm", "hours": 2.0})]
    assert "cps_new" in told
    assert "the old one is 'farm before 2026' now, and ends at 2026-12-07 08:00 UTC" in told
    _, _, told = run("token", "rotate", "farm", "--json", answers=[dict(ROTATED)])
    assert json.loads(told) == ROTATED


def test_tokens_are_listed_and_revoked(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    gone = FARM | {"name": "gone", "revoked_at": "2026-11-23T09:00:00+00:00"}
    _, _, told = run("token", "list", answers=[{"tokens": [FARM, gone], "next": ""}])
    assert "ada (banned)" in told
    assert "revoked 2026-11-23 09:00" in told
    _, calls, told = run("token", "revoke", "farm", answers=[{"name": "farm"}])
    assert calls == [("accounts/revoke_token", {"name": "farm"})]
    assert "within a second" in told


def test_keys_are_listed_and_changed_step_by_step(run):
    kinds = {
        "credentials": {"what": "seal", "steps": ["add"], "keys": [{"key": "ab12", "sealed": 3, "used": True}]},
        "signing": {"what": "sign", "steps": ["add"], "keys": [], "in_use": False},
        "secret": {"what": "passes", "steps": ["add"], "wrong": "no such file"},
    }
    _, _, told = run("key", "list", answers=[{"machine": "host", "kinds": kinds}])
    for word in ("3 sealed, the newest: ab12", "jobs are not signed", "no such file", "files of host"):
        assert word in told
    _, calls, told = run(
        "key", "add", "secret", "--only-here", answers=[{"machine": "host", "said": "a key was added"}]
    )
    assert calls == [("keys/change_key", {"kind": "secret", "step": "add", "only_here": True})]
    assert "host: a key was added" in told
