"""Where the server's database is, and how it is spoken to."""

from __future__ import annotations

import sys
import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from server.settings.database import database_settings, read_address
from server.settings.environment import read_environment
from tests.server.manage.running import command


def test_without_an_address_it_is_sqlite_in_the_home(tmp_path):
    found = database_settings("", "", tmp_path, 30)
    assert found["ENGINE"] == "django.db.backends.sqlite3"
    assert found["NAME"] == tmp_path / "db.sqlite3"
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_an_address_is_read_with_its_escapes():
    found = read_address("postgresql://com%40pass:s%2Fe%3Acret@db.example.org:5433/jobs")
    assert (found.kind, found.name, found.user, found.password) == ("postgresql", "jobs", "com@pass", "s/e:cret")
    assert (found.host, found.port) == ("db.example.org", 5433)


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_mariadb_has_two_names_and_may_be_at_a_socket(scheme, tmp_path):
    found = database_settings(f"{scheme}://compass@localhost/jobs?socket=/run/mysqld/mysqld.sock", "", tmp_path, 30)
    assert (found["ENGINE"], found["HOST"]) == ("django.db.backends.mysql", "/run/mysqld/mysqld.sock")


def test_a_connection_that_the_driver_makes_anew_locks_no_gaps_either(tmp_path):
    options = database_settings("mariadb://u@h/jobs", "", tmp_path, 30)["OPTIONS"]
    assert options["init_command"].endswith(", SESSION tx_isolation = 'READ-COMMITTED'")


def test_postgresql_may_be_at_a_socket(tmp_path):
    found = database_settings("postgresql://compass@/jobs?socket=/run/postgresql", "", tmp_path, 30)
    assert (found["HOST"], found["PORT"]) == ("/run/postgresql", "")


def test_what_is_encrypted_reaches_the_driver(tmp_path):
    found = database_settings("postgresql://u@h/jobs?sslmode=verify-full&sslrootcert=/ca.pem", "", tmp_path, 30)
    assert found["OPTIONS"]["sslmode"] == "verify-full"
    found = database_settings("mariadb://u@h/jobs?ssl_ca=/ca.pem", "", tmp_path, 30)
    assert found["OPTIONS"]["ssl"] == {"ca": "/ca.pem"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/srv/db.sqlite3", "has no ://; it has to be postgresql://user@host:port/name"),
        ("oracle://u:hidden@h/x", "begins with oracle://; it has to be postgresql://"),
        ("postgresql://u:hidden@h", "names no database; write postgresql://user@host/name"),
        ("postgresql://u:hidden@h/a/b", "names no database"),
        ("postgresql://u:hidden@h:many/x", "its host or port cannot be read"),
        ("postgresql://u:hidden/part@h/x", "cannot be read; write / in a password as %2F"),
        ("postgresql://u:hidden@h/x?sslmod=off", "sslmod is no option of postgresql; did you mean sslmode?"),
        ("mariadb://u:hidden@h/x?sslmode=off", "sslmode is no option of mariadb"),
        ("mariadb://u:hidden@h/x?socket=run", "socket=run is not an absolute path"),
        ("mariadb://u:hidden@h/x?socket=", "the option socket is empty"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused_in_words_without_its_password(url, words):
    with pytest.raises(ImproperlyConfigured) as refused:
        read_address(url)
    assert words in str(refused.value)
    assert "hidden" not in "".join(traceback.format_exception(refused.value))


def test_the_password_may_lie_in_a_file_that_only_its_owner_reads(tmp_path):
    file = tmp_path / "password"
    file.write_text("top secret\n")
    file.chmod(0o644)
    url = "postgresql://u:other@h/x"
    with pytest.raises(ImproperlyConfigured, match=rf"others may read {file}; run: chmod 600 {file}"):
        database_settings(url, str(file), tmp_path, 30)
    file.chmod(0o600)
    assert database_settings(url, str(file), tmp_path, 30)["PASSWORD"] == "top secret"
    with pytest.raises(ImproperlyConfigured, match="nowhere cannot be read: No such file"):
        database_settings(url, str(tmp_path / "nowhere"), tmp_path, 30)
    with pytest.raises(ImproperlyConfigured, match="SQLite has no password"):
        database_settings("", str(file), tmp_path, 30)


def test_a_driver_that_is_not_there_is_named_with_the_extra_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [])
    for name in ("psycopg", "pymysql"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for kind, library in (("postgresql", "psycopg"), ("mariadb", "pymysql")):
        words = rf"{kind} needs {library}, which is not installed; run: pip install 'compass-pilot\[{kind}\]'"
        with pytest.raises(ImproperlyConfigured, match=words):
            database_settings(f"{kind}://u@h/x", "", tmp_path, 30)


def test_a_password_is_shown_by_nothing_that_shows_the_settings():
    url = "postgresql://u:hidden@h/x"
    shown = [read_address(url), read_environment({"COMPASS_SERVER_DATABASE": url})]
    assert "hidden" not in " ".join(f"{one} {one!r}" for one in shown)


def test_a_command_says_what_is_wrong_with_the_address_in_one_line(tmp_path):
    done = command(tmp_path, "check", COMPASS_SERVER_DATABASE="postgres://u:hidden@h")
    assert done.returncode == 2
    assert done.stderr == (
        "compass-server: COMPASS_SERVER_DATABASE: it names no database; write postgres://user@host/name\n"
    )


def test_the_database_is_spoken_to_as_the_queries_need_it(db):
    asked = {
        "sqlite": ["PRAGMA foreign_keys", "PRAGMA journal_mode"],
        "postgresql": ["SHOW transaction_isolation", "SHOW lock_timeout", "SHOW timezone"],
        "mysql": [
            "SELECT @@tx_isolation",
            "SELECT @@time_zone",
            "SELECT @@character_set_connection",
            "SELECT @@sql_mode",
        ],
    }
    said = []
    with connection.cursor() as cursor:
        for statement in asked[connection.vendor]:
            cursor.execute(statement)
            said.append(cursor.fetchone()[0])
    assert said in (
        [1, "memory"],
        ["read committed", "30s", "UTC"],
        ["READ-COMMITTED", "+00:00", "utf8mb4", "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"],
    )
