"""Dry runs over HTTP: a definition or a draft goes in, a plan comes out; a draft is defined anew."""

from __future__ import annotations

import json

import pytest

from server.accounts.models import Role
from server.production.models import Task
from tests.server.production.conftest import GENERATION, RECONSTRUCTION
from tests.server.production.test_views import BASE, call

__all__ = ["call"]


def test_a_definition_is_planned_and_nothing_is_written(call):
    status, told = call("dry_run", {"definition": GENERATION, "limit": 2, "run": 278474})
    assert (status, told["success"], told["data"]["totals"]["chunks"]) == (200, True, 6)
    assert [row["run"] for row in told["data"]["jobs"]["rows"]] == [278474, 278474]
    assert not Task.objects.exists()


def test_slips_are_those_of_a_definition_and_a_conflict_is_none(call):
    call("define_task", {"definition": GENERATION})
    bad = {**GENERATION, "name": "other", "queue": "NOWHERE"}
    told = call("dry_run", {"definition": bad})[1]
    assert (told["success"], set(told["data"]["slips"])) == (False, {"queue"})
    assert set(call("define_task", {"definition": bad})[1]["data"]["slips"]) == {"queue", "runs"}
    told = call("dry_run", {"definition": {**GENERATION, "name": "other"}})[1]["data"]
    assert [one["task"] for one in told["conflicts"]] == ["mc2016_gen"]


def test_a_draft_is_planned_for_readers_too(call, client):
    call("define_task", {"definition": GENERATION})
    call("define_task", {"definition": RECONSTRUCTION})
    told = call("dry_run", task="mc2016_reco", role=Role.READER)[1]["data"]
    assert (told["totals"]["chunks"], told["merges"]["total"]) == (6, 6)
    told = call("dry_run", task="mc2016_reco", merges_from="4", limit="1")[1]["data"]
    assert [row["run"] for row in told["merges"]["rows"]] == [278474]
    assert call("dry_run", task="mc2016_reco", role=Role.PILOT)[0] == 403


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "give either task"),
        ({"task": "x", "definition": {}}, "give either task"),
        ({"task": "mc2016_ge"}, "did you mean 'mc2016_gen'"),
        ({"definition": 5}, "definition"),
        ({"task": "mc2016_gen", "limit": 0}, "limit: 0 is not a number from 1 to 1000"),
        ({"task": "mc2016_gen", "jobs_from": -1}, "jobs_from: -1"),
        ({"task": "mc2016_gen", "run": 2**40}, "run: "),
        ({"task": "mc2016_gen", "format": "xls"}, "neither csv nor jsonl"),
        ({"task": "mc2016_gen", "odd": 1}, "unexpected argument 'odd'"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(call, body, words):
    call("define_task", {"definition": GENERATION})
    told = call("dry_run", body)[1]
    assert told["success"] is False
    assert words in told["message"]


def test_everything_is_streamed_as_lines(call, client):
    call("define_task", {"definition": GENERATION})
    from server.accounts.logic import create_token

    headers = {"Authorization": f"Bearer {create_token('lines', Role.READER)}"}
    answer = client.get(f"{BASE}/dry_run", {"task": "mc2016_gen", "format": "jsonl"}, headers=headers)
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [(line["what"], line["chunk"]) for line in lines] == [("job", n) for n in (1, 2, 3, 1, 2, 3)]


def test_a_draft_is_defined_anew_once(call):
    call("define_task", {"definition": GENERATION})
    seen = Task.objects.get().updated.isoformat()
    order = {"name": "mc2016_gen", "definition": {**GENERATION, "name": "better", "priority": 7}, "seen": seen}
    assert call("redefine_task", order)[1]["data"]["name"] == "better"
    words = call("get_task", name="better")[1]["data"]["events_log"]
    assert "defined anew: name mc2016_gen -> better, priority 2000 -> 7" in {event["words"] for event in words}
    again = {**order, "name": "better", "definition": {**GENERATION, "queue": "NO"}}
    assert "was changed by somebody else" in call("redefine_task", again)[1]["message"]
    assert set(call("redefine_task", {**again, "seen": ""})[1]["data"]["slips"]) == {"queue"}
    assert call("redefine_task", again, role=Role.READER)[0] == 403
    call("move_task", {"name": "better", "to": "start"})
    told = call("redefine_task", {**order, "name": "better"})[1]
    assert "only a draft can be defined anew" in told["message"]
    assert Task.objects.get().priority == 7
