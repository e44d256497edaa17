"""Whether a database can hold what the server writes."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.db import connection

from server.lib.database import unfit
from tests.server.manage.running import command


@contextmanager
def saying(**answers):
    """Have the database answer something else to the questions that hold these words."""

    def instead(execute, sql, params, many, context):
        found = next((answer for word, answer in answers.items() if word in sql), None)
        return execute(sql, params, many, context) if found is None else execute(f"SELECT '{found}'", (), many, context)

    with connection.execute_wrapper(instead):
        yield


def test_the_database_of_the_tests_can_be_used(db):
    assert unfit() == ""


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"VERSION": "8.0.36"}, "the database is MySQL 8.0.36; only MariaDB is supported"),
        ({"VERSION": "10.5.2-MariaDB"}, "the database is MariaDB 10.5.2-MariaDB; 10.6 or newer is needed"),
        ({"collation": "utf8mb4_general_ci"}, "compares texts by utf8mb4_general_ci; before anything is in it, run: "),
        ({"collation": "latin1_bin"}, "compares texts by latin1_bin"),
        ({"encoding": "SQL_ASCII"}, "the database's encoding is SQL_ASCII; make it by CREATE DATABASE"),
    ],
)
def test_one_that_cannot_is_told_with_the_remedy(db, monkeypatch, answers, words):
    monkeypatch.setattr(connection, "vendor", "postgresql" if "encoding" in answers else "mysql")
    with saying(**{"VERSION": "10.11.6-MariaDB", **answers}):
        assert words in unfit()


@pytest.mark.parametrize(
    ("word", "address", "words"),
    [
        ("serve", "postgresql://u:hidden@127.0.0.1:1/x", "the database does not answer: "),
        ("init", "mariadb://u:hidden@127.0.0.1:1/x?ssl_ca=/nowhere.pem", "a file that ssl_ca, ssl_cert or ssl_key "),
    ],
)
def test_one_that_does_not_answer_is_told_without_its_password(tmp_path, word, address, words):
    (tmp_path / "secret_key").write_text("of a home that was initialized")
    done = command(tmp_path, word, COMPASS_SERVER_DATABASE=address)
    assert done.returncode == 1
    assert done.stderr.startswith(f"CommandError: COMPASS_SERVER_DATABASE: {words}")
    assert "hidden" not in done.stderr
