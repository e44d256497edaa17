"""Scripts read and change the tables: rows in pieces, statuses for a time, imports with a look, undoing."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.pandaconfig import config_views, logic, queries
from server.pandaconfig.models import Change

BASE = "/api/v1/config/"


@pytest.fixture
def ask(db):
    logic.define_queue({"nickname": "Q", "status": "online", "maxrss": 2000})
    logic.define_queue({"nickname": "R", "status": "online"})
    Change.objects.all().delete()
    tokens = {
        Role.ADMIN: create_token("admin", Role.ADMIN),
        Role.SITE_ADMIN: create_token("site", Role.SITE_ADMIN, queues=["Q"]),
        Role.READER: create_token("reader", Role.READER),
    }

    def ask(method, body=None, role=Role.ADMIN, **query):
        headers = {"authorization": f"Bearer {tokens[role]}", "accept": "application/json"}
        client = Client(headers=headers)
        if body is None:
            answer = client.get(BASE + method, query)
        else:
            answer = client.post(BASE + method, json.dumps(body), content_type="application/json")
        return answer.json()

    return ask


def test_rows_come_in_pieces_in_the_order_of_their_keys(ask, monkeypatch):
    monkeypatch.setattr(config_views, "MOST", 1)
    first = ask("get_rows", table="schedconfig")["data"]
    assert [one["key"] for one in first["rows"]] == ["Q"]
    assert first["rows"][0]["row"]["maxrss"] == 2000
    second = ask("get_rows", table="schedconfig", after=first["next"], role=Role.READER)["data"]
    assert ([one["key"] for one in second["rows"]], second["next"]) == (["R"], "")


def test_a_row_is_written_looked_at_and_undone(ask):
    done = ask("write_row", {"table": "schedconfig", "key": "Q", "values": {"maxrss": 3000}, "reason": "bought"})[
        "data"
    ]
    assert (done["before"], done["after"], done["person"]) == ({"maxrss": 2000}, {"maxrss": 3000}, "admin")
    again = ask("write_row", {"table": "schedconfig", "key": "Q", "values": {"maxrss": 3000}})
    assert (again["success"], again["data"]) == (True, None)
    shown = ask("get_row", table="schedconfig", key="Q")["data"]
    assert shown["row"]["maxrss"] == 3000
    assert shown["changes"][0]["reason"] == "bought"
    ask("undo", {"number": done["number"]})
    assert queries.limits_of_queues()["Q"].memory == 2000 * 2**20


def test_a_row_is_added_and_deleted(ask):
    ask("write_row", {"table": "cloudconfig", "values": {"name": "CERN"}})
    assert ask("get_row", table="cloudconfig", key="CERN")["data"]["row"]["name"] == "CERN"
    assert ask("delete_row", {"table": "cloudconfig", "key": "CERN"})["data"]["after"] is None
    assert "is no cloud" in ask("delete_row", {"table": "cloudconfig", "key": "CERN"})["message"]


def test_statuses_are_set_for_a_time(ask):
    said = {"queues": ["Q", "NO"], "status": "offline", "reason": "maintenance", "hours": 1.5}
    done = ask("set_status", said)["data"]
    assert (done["set"], list(done["left"])) == (["Q"], ["NO"])
    assert queries.queue_status("Q") == "offline"


def test_an_import_is_shown_and_written_with_its_digest(ask):
    said = {"table": "schedconfig", "text": "nickname,maxrss\nQ,4000\nNEW,1\nBAD,x\n"}
    shown = ask("import_rows", said)["data"]
    assert shown["counts"] == {"new": 1, "changed": 1, "same": 0, "refused": 1}
    assert shown["rows"][0]["differences"] == {"maxrss": [2000, 4000]}
    assert "not what was looked at" in ask("import_rows", said | {"digest": "x"})["message"]
    done = ask("import_rows", said | {"digest": shown["digest"], "reason": "CRIC"})["data"]
    assert Change.objects.filter(batch=done["batch"]).count() == 2
    assert queries.queue_names() == ["NEW", "Q", "R"]


@pytest.mark.parametrize(
    ("method", "body", "words"),
    [
        ("get_rows", {"table": "no"}, "there are schedconfig, cloudconfig"),
        ("get_row", {"table": "users", "key": "x"}, "is no number"),
        ("get_row", {"table": "schedconfig", "key": "x"}, "'x' is no queue"),
    ],
)
def test_what_is_not_there_is_told(ask, method, body, words):
    assert words in ask(method, **body)["message"]


@pytest.mark.parametrize(
    ("method", "body", "words"),
    [
        ("write_row", {"table": "schedconfig", "key": "Q", "values": {"maxrss": -1}}, "maxrss"),
        ("set_status", {"queues": ["Q"], "status": "x", "reason": "x"}, "known are online"),
        ("set_status", {"queues": ["Q"], "status": "test", "reason": "x", "hours": 0}, "hours: 0 is not between"),
        ("undo", {"number": 5}, "no change 5"),
        ("import_rows", {"table": "schedconfig", "text": "x,y\n1,2"}, "is no column"),
    ],
)
def test_what_may_not_be_is_refused(ask, method, body, words):
    answer = ask(method, body)
    assert answer["success"] is False
    assert words in answer["message"]


def test_a_sites_administrator_changes_its_own_queues_alone(ask):
    mine = {"table": "schedconfig", "key": "Q", "values": {"maxrss": 3000}}
    assert ask("write_row", mine, role=Role.SITE_ADMIN)["data"]["person"] == "site"
    for method, body in (
        ("write_row", mine | {"key": "R"}),
        ("write_row", {"table": "schedconfig", "values": {"nickname": "Q", "maxrss": 1}}),
        ("write_row", {"table": "cloudconfig", "key": "Q", "values": {"weight": 1}}),
        ("set_status", {"queues": ["Q", "R"], "status": "offline", "reason": "x"}),
    ):
        assert "your own queues alone (Q)" in ask(method, body, role=Role.SITE_ADMIN)["message"]
    moved = mine | {"values": {"siteid": "ELSEWHERE"}}
    assert "siteid: Q is a queue of Q and stays" in ask("write_row", moved, role=Role.SITE_ADMIN)["message"]
    assert ask("write_row", mine | {"values": {"siteid": "", "maxrss": 3001}}, role=Role.SITE_ADMIN)["success"]
    for method in ("delete_row", "undo", "import_rows"):
        assert "this needs admin" in ask(method, {}, role=Role.SITE_ADMIN)["message"]
    assert "has the role reader" in ask("write_row", mine, role=Role.READER)["message"]
