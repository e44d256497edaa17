"""The pages on Harvesters and their workers, their twins, and the form by which they are given commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Group, User

from server.harvester import logic
from server.harvester.models import Command
from server.pilots.models import Worker
from tests.server.jobs import submit
from tests.server.monitor.test_views import parsed

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def text_of(answer) -> str:
    parsed(answer)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())).split())


def ask(client, token, method, query=""):
    answer = client.get(f"/api/v1/harvester/{method}?{query}", headers={"Authorization": f"Bearer {token}"})
    return answer.json()


@pytest.fixture
def harvesters(db, monkeypatch):
    """One that lives, with three workers, and one that fell silent."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    logic.beat("H1", {"sw_version": "0.6.0 <b>", "startTime": "datetime/2026-11-20 08:00:00"}, now=NOW)
    logic.beat("H2", None, now=NOW - timedelta(hours=1))
    workers = [
        {"workerID": n, "status": state, "computingSite": "LOCAL"}
        for n, state in enumerate(("running", "running", "failed"))
    ]
    logic.workers_said("H1", [{**worker, "diagMessage": "no <slot>"} for worker in workers], now=NOW)
    logic.workers_counted("H1", "LOCAL", '{"managed": {"SCORE": {"running": 12}}}', now=NOW)
    logic.metrics_said("H1", [["2026-11-22 11:00:00", "edge.example", {"cpu_pc": 12}]], now=NOW)
    logic.dialogs_said("H1", [{"diagID": 1, "messageLevel": "ERROR", "diagMessage": "it is full <i>"}], now=NOW)
    logic.order("KILL_WORKERS", {"status": "ALL"}, queue="LOCAL", by="ada", now=NOW)


def test_the_page_shows_all_that_they_say_and_were_told(client, harvesters, open_pages, production_token):
    text = text_of(client.get("/harvester"))
    for words in (
        "H1 alive 0 s ago 0.6.0 <b> 2026-11-20 08:00:00 edge.example 2 1",
        "H2 silent 1 h ago not said",
        "LOCAL H1 1 failed 2 running 12 running",
        "KILL_WORKERS:LOCAL H1 ada 11-22 12:00:00 waits not yet status: ALL",
        "ERROR it is full <i>",
        "cpu_pc: 12",
    ):
        assert words in text
    twin = client.get("/harvester?json").json()
    assert twin == ask(client, production_token, "get_instances")
    assert [(one["name"], one["alive"]) for one in twin["data"]["instances"]] == [("H1", True), ("H2", False)]


def test_without_any_it_says_how_one_comes(client, db, open_pages):
    assert "No Harvester has been heard of" in text_of(client.get("/harvester"))


def test_how_many_questions_there_are_does_not_depend_on_the_workers(
    client, harvesters, open_pages, django_assert_max_num_queries
):
    with django_assert_max_num_queries(10):
        client.get("/harvester")


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", [2, 1, 0]), ("state=failed", [2]), ("harvester=H2", []), ("queue=LOCAL&count=2", [2, 1])],
)
def test_workers_are_listed_by_what_is_asked_for(client, harvesters, open_pages, production_token, query, expected):
    twin = client.get(f"/harvester/workers?json&{query}").json()
    assert [one["worker_id"] for one in twin["data"]["workers"]] == expected
    assert twin == ask(client, production_token, "get_workers", query)
    text = text_of(client.get(f"/harvester/workers?{query}"))
    assert ("no <slot>" in text) is bool(expected)


def test_older_workers_follow(client, harvesters, open_pages):
    first = client.get("/harvester/workers?json&count=2").json()["data"]
    assert f"before={first['older']}" in client.get("/harvester/workers?count=2").content.decode()
    rest = client.get(f"/harvester/workers?json&count=2&before={first['older']}").json()["data"]
    assert [[one["worker_id"] for one in rest["workers"]], rest["older"]] == [[0], None]


@pytest.mark.parametrize("query", ["state=asleep", "count=0", "before=-1", "colour=red", "before=x"])
def test_a_slip_is_named(client, harvesters, open_pages, production_token, query):
    assert client.get(f"/harvester/workers?{query}").status_code == 400
    assert client.get(f"/harvester/workers?json&{query}").json()["success"] is False
    said = ask(client, production_token, "get_workers", query)
    assert "Argument error" in said["message"]


def test_a_worker_and_its_jobs_lead_to_each_other(client, harvesters, open_pages, queue):
    (number,) = submit()
    logic.took_jobs("H1", 1, [number], now=NOW)
    assert f'href="/jobs/{number}"' in client.get("/harvester/workers/H1/1").content.decode()
    assert client.get("/harvester/workers/H1/1?json").json()["data"]["job_ids"] == [number]
    assert 'href="/harvester/workers/H1/1"' in client.get(f"/jobs/{number}").content.decode()
    assert "Nobody has told of any" in text_of(client.get("/harvester/workers/H1/0"))
    assert client.get("/harvester/workers/H1/99").status_code == 404
    assert client.get(f"/harvester/workers/H1/{2**63}").status_code == 404


def login(client, who) -> None:
    user = User.objects.create_user(who, is_superuser=who == "root")
    if who == "manager":
        user.groups.add(Group.objects.get_or_create(name="production")[0])
    client.force_login(user)


@pytest.mark.parametrize("who", ["manager", "root"])
def test_a_command_is_written_and_given(client, harvesters, who):
    login(client, who)
    assert "Give it" in text_of(client.get("/harvester/order?queue=LOCAL"))
    said = {"kind": "REPORT_WORKER_STATS", "queue": "LOCAL", "parameters": '{"x": 1}', "harvester": ""}
    answer = client.post("/harvester/order", said)
    assert (answer.status_code, answer["Location"]) == (302, "/harvester")
    found = Command.objects.latest("pk")
    assert (found.word, found.harvester, found.by, found.parameters) == (
        "REPORT_WORKER_STATS:LOCAL",
        "H1",
        who,
        {"x": 1},
    )


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({"kind": "DANCE"}, 400, "kind: 'DANCE' is none of"),
        ({"kind": "KILL_WORKERS", "queue": "LOCAL", "parameters": "[1"}, 400, "parameters: "),
        ({"kind": "KILL_WORKERS", "queue": "NOWHERE"}, 409, "no Harvester is known to have workers at NOWHERE"),
    ],
)
def test_what_cannot_be_given_is_said_and_stays_in_the_form(client, harvesters, said, status, words):
    login(client, "manager")
    answer = client.post("/harvester/order", said)
    assert answer.status_code == status
    assert words in text_of(answer)
    assert Command.objects.count() == 1


def test_who_may_not_order_may_look(client, harvesters):
    assert client.post("/harvester/order", {}).status_code == 302
    login(client, "reader")
    for answer in (
        client.get("/harvester/order"),
        client.post("/harvester/order", {"kind": "SYNC_WORKERS_KILL", "harvester": "H1"}),
    ):
        assert answer.status_code == 403
        assert "may only look" in text_of(answer)
    assert client.put("/harvester/order").status_code == 405
    assert Command.objects.count() == 1


def test_a_workers_page_tells_what_its_pilot_said_of_itself(client, harvesters, open_pages):
    assert "its pilot began" not in text_of(client.get("/harvester/workers/H1/1"))
    Worker.objects.create(harvester_id="H1", worker_id=1, state="started", node="wn5", started_at=NOW)
    assert "its pilot began 2026-11-22 12:00:00 its pilot ended not yet on wn5" in text_of(
        client.get("/harvester/workers/H1/1")
    )
    assert client.get("/harvester/workers/H1/1?json").json()["data"]["pilot"]["node"] == "wn5"
