"""``compass admin`` asks for rows in pieces, changes them with a reason, and writes what was looked at."""

from __future__ import annotations

import json

import pytest

from client import admin, cli

CHANGE = {
    **{"number": 7, "at": "2026-11-23T08:00:00+00:00", "table": "schedconfig", "key": "Q", "label": "Q", "batch": ""},
    **{"person": "ada", "way": "form", "reason": "bought", "before": {"maxrss": 2000}, "after": {"maxrss": 4000}},
}
ROW = dict.fromkeys(("status", "gstat", "cloud"), "") | dict.fromkeys(("corecount", "maxrss", "maxtime"), 0)
PLAN = {
    "digest": "d",
    "counts": {"new": 0, "changed": 1, "same": 0, "refused": 0},
    "clouds": ["RU"],
    "rows": [{"where": "line 2", "name": "Q", "kind": "changed", "differences": {"maxrss": [1, 2]}, "errors": {}}],
    "batch": "",
}


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
        monkeypatch.setattr(admin, "connect", lambda _: server)
        status = cli.main(["admin", *words])
        told = capsys.readouterr()
        return status, server.calls, told.out + told.err

    return run


def test_rows_are_asked_for_in_pieces_until_there_are_no_more(run):
    pieces = [
        {"rows": [{"key": "A", "row": ROW | {"nickname": "A", "maxrss": 1234}}], "next": "A"},
        {"rows": [{"key": "B", "row": ROW | {"nickname": "B"}}], "next": ""},
    ]
    status, calls, told = run("list", "schedconfig", answers=pieces)
    assert status == 0
    assert calls == [
        ("config/get_rows", {"table": "schedconfig"}),
        ("config/get_rows", {"table": "schedconfig", "after": "A"}),
    ]
    assert "1234" in told
    exported = json.loads(run("export", "schedconfig", answers=pieces)[2])
    assert [row["nickname"] for row in exported] == ["A", "B"]
    assert "there are no rows" in run("list", "shares", answers=[{"rows": [], "next": ""}])[2]


def test_a_row_is_set_by_words_and_a_file(run, tmp_path):
    file = tmp_path / "row.json"
    file.write_text('{"maxrss": 1, "corecount": 8}')
    words = ("set", "schedconfig", "Q", "maxrss=4000", 'data={"params": {}}', "--file", str(file), "--reason", "bought")
    status, calls, told = run(*words, answers=[CHANGE])
    assert status == 0
    (_, body) = calls[0]
    assert body == {
        "table": "schedconfig",
        "key": "Q",
        "values": {"nickname": "Q", "maxrss": "4000", "corecount": 8, "data": {"params": {}}},
        "reason": "bought",
    }
    assert "change 7 at 2026-11-23 08:00:00 by ada (bought): Q maxrss: 2000 -> 4000" in " ".join(told.split())
    assert run("set", "users", "7", "vo=compass", answers=[None])[1][0][1]["key"] == "7"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "schedconfig", "Q"), "nothing to set"),
        (("set", "schedconfig", "Q", "maxrss"), "no equals sign"),
        (("set", "schedconfig", "Q", "data={"), "data: "),
        (("set", "schedconfig", "Q", "data=[1]"), "no JSON object"),
        (("set", "schedconfig", "Q", "--file", "/no/such/file"), "/no/such/file"),
        (("list", "nothing"), "invalid choice"),
        (("status", "offline", "Q"), "--reason"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anybody_is_asked(run, words, said):
    status, calls, told = run(*words)
    assert status != 0
    assert calls == []
    assert said in " ".join(told.split())


def test_a_status_that_was_not_set_everywhere_is_no_success(run):
    found = {"set": ["A"], "left": {"B": "queue 'B' is not known here"}, "until": "2026-11-23T10:00:00+00:00"}
    words = ("status", "offline", "A", "B", "--reason", "maintenance", "--hours", "2")
    status, calls, told = run(*words, answers=[found])
    assert status == 1
    assert calls[0][1] == {"queues": ["A", "B"], "status": "offline", "reason": "maintenance", "hours": 2.0}
    assert "A is offline until 2026-11-23 10:00 UTC" in told
    assert "B was left alone" in told


def test_an_import_is_written_only_when_that_is_said_and_as_it_was_shown(run, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("nickname,maxrss\nQ,2\n")
    status, calls, told = run("import", "schedconfig", str(file), answers=[PLAN])
    assert (status, len(calls)) == (0, 1)
    assert "nothing is written; say --write" in told
    assert "maxrss: 1 -> 2" in told
    written = PLAN | {"batch": "b"}
    status, calls, told = run("import", "schedconfig", str(file), "--write", answers=[PLAN, written])
    assert calls[1][1]["digest"] == "d"
    assert "the batch b" in told
    refused = PLAN | {"counts": PLAN["counts"] | {"refused": 1}}
    assert run("import", "schedconfig", str(file), answers=[refused])[0] == 1
    file.write_bytes(b"\xff\xfe")
    assert "no text in UTF-8" in run("import", "schedconfig", str(file))[2]


def test_a_row_is_shown_with_its_uses_and_changes(run):
    found = {"row": {"nickname": "Q", "maxrss": 4000, "data": {"a": 1}}, "uses": [{"what": "jobs", "count": 3}]}
    told = run("show", "schedconfig", "Q", answers=[found | {"changes": [CHANGE]}])[2]
    for words in ("4000", "jobs: 3", "change 7"):
        assert words in told
    gone = {"row": None, "uses": [], "changes": [CHANGE | {"after": None}]}
    assert "it was deleted" in run("show", "schedconfig", "Q", answers=[gone])[2]


def test_a_change_is_undone_and_a_row_deleted(run):
    assert run("undo", "7", "--reason", "x", answers=[CHANGE])[1] == [("config/undo", {"number": 7, "reason": "x"})]
    assert run("delete", "shares", "a", answers=[CHANGE])[1][0][0] == "config/delete_row"
