"""``compass-server init`` and ``token``, as a user types them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.server.manage.prepared import Prepared
from tests.server.manage.running import command

pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server") / "home"
    done = command(folder, "init", "--local-queue", "LOCAL", "--storage", str(folder / "storage"), "--cores", "2")
    assert done.returncode == 0, done.stderr
    assert f"ready: {folder}" in done.stdout
    return folder


@pytest.fixture(scope="module")
def run(home):
    """Runs a command on that home, whose settings are the defaults."""
    prepared = Prepared(home)
    yield prepared
    assert prepared.end() == 0


def test_nobody_else_can_read_the_home(home):
    assert home.stat().st_mode & 0o777 == 0o700
    files = [path for path in home.iterdir() if path.is_file()]
    assert {path.name for path in files} >= {
        "db.sqlite3", "secret_key", "credential_keys",
        "pilot.token", "production.token", "admin.token", "admin_password",
    }  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_the_database_holds_no_token(home):
    stored = (home / "db.sqlite3").read_bytes()
    for name in ("pilot", "production", "admin"):
        assert (home / f"{name}.token").read_bytes().strip() not in stored


def test_done_again_it_harms_nothing(home, run):
    before = {path.name: path.read_text() for path in home.glob("*.token")}
    done = run("init")
    assert done.returncode == 0
    assert done.stdout == f"ready: {home}\n"
    assert {path.name: path.read_text() for path in home.glob("*.token")} == before


def test_a_lost_token_is_replaced(home, run):
    old = (home / "admin.token").read_text()
    (home / "admin.token").unlink()
    assert "admin.token" in run("init").stdout
    assert (home / "admin.token").read_text() != old
    with closing(sqlite3.connect(home / "db.sqlite3")) as database, database:
        assert database.execute("SELECT count(*) FROM accounts_token").fetchone() == (3,)


def test_tokens_are_made_listed_and_revoked(run, tmp_path):
    path = tmp_path / "mine"
    assert run("token", "create", "mine", "--role", "pilot", "--days", "3", "--file", str(path)).returncode == 0
    assert path.stat().st_mode & 0o777 == 0o600
    shown = run("token", "create", "shown", "--role", "reader").stdout
    assert shown.startswith("cps_")
    assert run("token", "revoke", "mine").returncode == 0
    listed = run("token", "list").stdout
    assert "mine" in listed
    assert "revoked 20" in listed
    assert shown.strip() not in listed
    assert path.read_text().strip() not in listed


def test_people_have_tokens_and_pilots_have_passes_and_who_is_banned_is_shown(run, tmp_path):
    made = run("token", "create", "notebook", "--role", "user", "--person", "alice")
    assert made.returncode == 0, made.stderr
    assert run("token", "ban", "alice", "--because", "tests").returncode == 0
    site = run("token", "create", "site-a", "--role", "pilot", "--queue", "LOCAL", "--queue", "B")
    assert site.returncode == 0, site.stderr
    path = tmp_path / "pass"
    assert run("token", "pass", "site-a", "--hours", "2", "--file", str(path)).returncode == 0
    assert (path.read_text()[:4], path.stat().st_mode & 0o777) == ("cpp_", 0o600)
    listed = run("token", "list").stdout
    assert " of alice (banned)" in listed
    assert " at LOCAL, B" in listed
    assert run("token", "lift_ban", "alice").returncode == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("init", "--local-queue", "Q"), "--local-queue and --storage belong together"),
        (("init", "--local-queue", "Q" * 61, "--storage", "/tmp/nothing"), "1 to 52 characters"),
        (("token", "create", "pilot", "--role", "pilot"), "in use"),
        (("token", "create", "x", "--role", "king"), "invalid choice: 'king'"),
        (("token", "create", "x", "--role", "pilot", "--days", "0"), "--days: 0 is less than 1"),
        (("token", "create", "x", "--role", "user"), "name the person"),
        (("token", "pass", "pilot", "--hours", "0"), "--hours: 0 is less than 1"),
        (("token", "pass", "production"), "is no token of pilots"),
        (("token", "ban", "nobody"), "nobody whom we know"),
        (("token", "revoke", "nobody"), "no valid token"),
        (("dance",), "Unknown command: 'dance'"),
    ],
)
def test_a_slip_is_told_in_words_and_by_the_status(run, words, told):
    done = run(*words)
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_is_none_is_named(home):
    done = command(home, "check", COMPASS_SERVER_HOST="x")
    assert done.returncode == 2
    assert done.stderr == ("compass-server: COMPASS_SERVER_HOST is not a setting; did you mean COMPASS_SERVER_HOSTS?\n")


def test_a_home_that_is_none_is_not_served_from(tmp_path):
    done = command(tmp_path / "nowhere", "serve")
    assert done.returncode == 1
    assert "run `compass-server init` first" in done.stderr


@pytest.mark.programs("openssl")
def test_a_pair_of_signing_keys_is_made_where_the_server_looks_for_it(home, tmp_path):
    done = command(home, "signing_key", COMPASS_SERVER_SIGNING_KEY=str(tmp_path / "key.pem"))
    assert done.returncode == 0, done.stderr
    assert f"written: {tmp_path / 'key.pem.pub'} (verify.keys of the pilots)" in done.stdout
    again = command(home, "signing_key", "--file", str(tmp_path / "key.pem"))
    assert (again.returncode, "exists" in again.stderr) == (1, True)


def test_a_server_does_not_begin_without_the_key_that_it_was_told_to_sign_with(home, tmp_path):
    done = command(home, "serve", COMPASS_SERVER_SIGNING_KEY=str(tmp_path / "nowhere.pem"))
    assert done.returncode == 1
    assert "nowhere.pem is no file; `compass-server signing_key` makes it" in done.stderr
    (tmp_path / "bad.pem").write_text("no key")
    done = command(home, "serve", COMPASS_SERVER_SIGNING_KEY=str(tmp_path / "bad.pem"))
    assert done.returncode == 1
    assert "COMPASS_SERVER_SIGNING_KEY: " in done.stderr
