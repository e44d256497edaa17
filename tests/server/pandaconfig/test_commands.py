"""Scripts on the server's own machine change the tables without a token, with a line of history each."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from server.pandaconfig import queries
from server.pandaconfig.models import Change, PandaUser
from server.pandaconfig.tables import SCHEDCONFIG


def told(*words):
    out = io.StringIO()
    call_command("tables", *map(str, words), stdout=out)
    return out.getvalue()


def test_a_queue_is_added_changed_set_for_a_time_and_undone(db):
    told("set", "schedconfig", "Q", "status=online", "corecount=8", 'data={"params": {"a": 1}}', "--reason", "new site")
    assert SCHEDCONFIG.read("Q")["data"] == {"params": {"a": 1}}
    assert Change.objects.get().reason == "new site"
    assert "it says all of it already" in told("set", "schedconfig", "Q", "corecount=8")
    assert "Q is offline until" in told("status", "offline", "Q", "--reason", "maintenance", "--hours", 2)
    assert queries.queue_status("Q") == "offline"
    told("undo", Change.objects.first().pk)
    assert queries.queue_status("Q") == "online"
    told("set", "schedconfig", "Q", "corecount=4")
    assert SCHEDCONFIG.read("Q")["corecount"] == 4


def test_a_file_is_shown_and_then_written_and_what_is_exported_is_the_same(db, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("nickname,status,cloud\nQ,online,RU\n")
    assert "nothing is written; say --write" in told("import", "schedconfig", file, "--make-clouds")
    assert queries.queue_names() == []
    assert "new: Q:" in told("import", "schedconfig", file, "--make-clouds", "--write")
    for words in (("--csv",), ()):
        file.write_text(told("export", "schedconfig", *words))
        assert "0 new, 0 changed, 1 same, 0 refused" in told("import", "schedconfig", file)
    assert json.loads(told("export", "cloudconfig"))[0]["name"] == "RU"
    file.write_text("nickname,status\nQ,onlin\n")
    with pytest.raises(CommandError, match="1 rows were refused"):
        told("import", "schedconfig", file)


def test_a_row_with_a_number_is_changed_by_it(db):
    row = PandaUser.objects.create(name="ada")
    told("set", "users", row.pk, "vo=compass")
    assert PandaUser.objects.get().vo == "compass"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "schedconfig", "Q", "maxrss"), "no equals sign"),
        (("set", "schedconfig", "Q", "data={"), "write a JSON object"),
        (("set", "schedconfig", "Q", "maxrss=-1"), "maxrss"),
        (("set", "users", "ada", "vo=x"), "is no number"),
        (("status", "offline", "Q"), "say why"),
        (("status", "offline", "Q", "--reason", "x"), "is not known here"),
        (("status", "offline", "Q", "--reason", "x", "--hours", "0"), "--hours: 0"),
        (("import", "schedconfig", "/no/such/file"), "/no/such/file"),
        (("undo", "7"), "no change 7"),
    ],
)
def test_what_cannot_be_done_is_told(db, words, said):
    with pytest.raises(CommandError, match=said):
        told(*words)
