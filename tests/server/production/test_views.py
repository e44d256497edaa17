"""The interface for clients: PanDA's envelope, roles, and slips told by field."""

from __future__ import annotations

import pytest

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.production import logic
from tests.server.production.conftest import GENERATION, RECONSTRUCTION, work

BASE = "/api/v1/production"


@pytest.fixture
def call(queue, client):
    """Calls a method under a role and answers (HTTP status, envelope)."""
    known = (Role.PILOT, Role.PRODUCTION, Role.ADMIN, Role.READER)
    tokens = {role: create_token(role.value, role) for role in known}

    def do(method, body=None, *, role=Role.PRODUCTION, **query):
        headers = {"Authorization": f"Bearer {tokens[role]}"} if role else {}
        if body is None:
            answer = client.get(f"{BASE}/{method}", query, headers=headers)
        else:
            answer = client.post(f"{BASE}/{method}", body, content_type="application/json", headers=headers)
        return answer.status_code, answer.json()

    return do


def test_a_task_is_defined_started_and_shown(call):
    status, told = call("define_task", {"definition": GENERATION, "start": True})
    assert (status, told["success"], told["data"]["status"]) == (200, True, "send")
    told = call("get_task", name="mc2016_gen", role=Role.READER)[1]
    assert told["data"]["steps"] == [
        {
            "step": "generation",
            "label": "generation",
            "total": 6,
            "done": 0,
            "active": 0,
            "bad": 0,
            "state": "waiting",
            "words": "",
        }
    ]
    assert [row["run"] for row in told["data"]["matrix"]] == [278473, 278474]
    assert told["data"]["owner"] == "production"


def test_a_draft_is_moved_and_says_why(call):
    call("define_task", {"definition": GENERATION})
    assert call("move_task", {"name": "mc2016_gen", "to": "start"})[1]["data"]["status"] == "send"
    told = call("move_task", {"name": "mc2016_gen", "to": "cancelled", "words": "wrong cuts"})[1]["data"]
    assert told["status"] == "cancelled"
    assert told["events_log"][-1]["by"] == "production"
    assert "wrong cuts" in {event["words"] for event in told["events_log"]}


def test_slips_are_told_by_field(call):
    status, told = call("define_task", {"definition": {**GENERATION, "soft": "a/b", "queue": "NOWHERE"}})
    assert (status, told["success"]) == (200, False)
    assert set(told["data"]["slips"]) == {"soft"}
    assert told["message"].startswith("soft: 'a/b' cannot be used")
    assert set(call("define_task", {"definition": {**GENERATION, "queue": "NO"}})[1]["data"]["slips"]) == {"queue"}


def test_a_definition_that_cannot_be_started_leaves_nothing(call):
    call("define_task", {"definition": GENERATION})
    told = call("define_task", {"definition": RECONSTRUCTION, "start": True})[1]
    assert "waits for its parent" in told["message"]
    assert [task["name"] for task in call("list_tasks")[1]["data"]] == ["mc2016_gen"]


@pytest.mark.parametrize(
    ("method", "body", "query", "words"),
    [
        ("define_task", {}, {}, "definition: missing"),
        ("define_task", {"definition": 5}, {}, "give an object of fields"),
        ("define_task", {"definition": {}, "start": 1}, {}, "start: 1 is neither true nor false"),
        ("define_task", {"definition": {}, "now": 1}, {}, "now: no such argument; known are definition, start"),
        ("define_task", "nonsense", {}, "the body is not JSON"),
        ("define_task", "[" * 100_000, {}, "the body is not JSON"),
        ("define_task", '{"definition": {"name": "\\ud800"}}', {}, "the body is not JSON"),
        ("define_task", [1], {}, "not a JSON object"),
        ("define_task", None, {}, "method GET is not taken here; use POST"),
        ("move_task", {"name": "a", "to": 5}, {}, "to: 5 is not text"),
        ("move_task", {"name": "a", "to": "ready"}, {}, "there is no task 'a'"),
        ("move_task", {"name": "a\0b", "to": "ready"}, {}, "there is no task 'a\ufffdb'"),
        ("get_task", None, {}, "name: missing"),
        ("get_task", None, {"name": "b"}, "there is no task 'b'"),
        ("list_tasks", None, {"limit": "x"}, "limit: 'x' is not a whole number from 1 to 500"),
        ("list_tasks", None, {"limit": "0"}, "from 1 to 500"),
        ("list_tasks", {}, {}, "use GET"),
    ],
)
def test_a_wrong_call_is_answered_in_words(call, method, body, query, words):
    status, told = call(method, body, **query)
    assert (status, told["success"]) == (200, False)
    assert words in told["message"]


@pytest.mark.parametrize("role", [Role.READER, Role.PILOT, None])
@pytest.mark.parametrize("method", ["define_task", "move_task"])
def test_only_the_production_role_writes(call, method, role):
    status, told = call(method, {"definition": GENERATION}, role=role)
    assert (status, told["success"]) == (403, False)
    assert call("list_tasks")[1]["data"] == []


@pytest.mark.parametrize(("role", "expected"), [(Role.READER, 200), (Role.ADMIN, 200), (Role.PILOT, 403), (None, 403)])
def test_readers_read_and_pilots_do_not(call, role, expected):
    assert call("list_tasks", role=role)[0] == expected


def test_a_difference_is_accepted_and_checked_again_by_a_production_only(call, pilot):
    logic.define_task(GENERATION, by="manager", start=True)
    logic.define_task(RECONSTRUCTION, by="manager", start=True)
    pilot.spoil = lambda job: {"events": 269} if job.name.startswith("mc2016P07-merge-mdst-278473") else {}
    work(pilot)
    order = {"name": "mc2016_reco", "run": 278473, "kind": "mdst", "words": "one is known to be broken"}
    assert call("accept_check", order, role=Role.READER)[0] == 403
    told = call("check_again", order)[1]["data"]
    assert (told["verdict"], told["expected"], told["found"]) == ("manual_check", 270, 269)
    told = call("accept_check", order)[1]["data"]
    assert (told["run"], told["verdict"]) == (278473, "accepted")
    assert "one is known to be broken" in told["words"]
    refused = call("accept_check", order)[1]
    assert (refused["success"], refused["message"]) == (
        False,
        "run 278473: the check of events in mDSTs says accepted",
    )


@pytest.mark.parametrize("run", [0, "278473", True, 2**40])
def test_what_is_no_run_is_refused(call, run):
    told = call("accept_check", {"name": "x", "run": run, "kind": "mdst", "words": "y"})[1]
    assert f"run: {run!r} is not the number of a run" in told["message"] or "run: missing" in told["message"]
