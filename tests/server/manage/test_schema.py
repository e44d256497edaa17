"""A database that is older or newer than the program is told apart, and the program does not work on either."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from server.manage import schema, views
from server.manage.surroundings import _database


@pytest.fixture
def recorder(db):
    views._why_unfit.cache_clear()
    yield MigrationRecorder(connection)
    views._why_unfit.cache_clear()


def test_a_database_of_this_program_is_fit(recorder):
    assert schema.unfit(connection) == ""
    assert (schema.missing(connection), schema.unknown(connection)) == ([], [])


def test_one_that_a_newer_program_has_changed_is_told_and_nobody_works_on_it(recorder, client, settings, tmp_path):
    for name in ("9998_more", "9999_latest"):
        recorder.record_applied("taskbuffer", name)
    words = schema.unfit(connection)
    assert "newer than the program, which does not know taskbuffer.9999_latest and 1 others" in words
    assert "restore a backup" in words
    answer = client.get("/readyz")
    assert (answer.status_code, words in answer.content.decode()) == (503, True)
    assert [found.msg for found in _database() if found.id == "compass.E018"] == [words]
    settings.HOME = tmp_path
    (tmp_path / "secret_key").write_text("x")
    with pytest.raises(CommandError, match="newer than the program"):
        call_command("serve")


def test_one_that_lacks_a_change_is_told_what_makes_it(recorder, client):
    recorder.record_unapplied("uploads", "0001_initial")
    assert schema.missing(connection) == ["uploads.0001_initial"]
    assert "run `compass-server init` first" in schema.unfit(connection)
    assert client.get("/readyz").status_code == 503
    (told,) = (found.msg for found in _database() if found.id == "compass.E013")
    assert "1 changes are due, the first is uploads.0001_initial" in told
