"""The pages on pilots, their twins, and what clients are answered; who may read what pilots write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.pilots.models import Pilot, PilotUse
from server.taskbuffer.models import Attempt
from tests.server.jobs import NOW as JOBS_NOW
from tests.server.jobs import claim, submit
from tests.server.monitor.test_views import parsed

_TAG = re.compile(r"<[^>]*>")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def text_of(answer) -> str:
    parsed(answer)
    return " ".join(unescape(_TAG.sub(" ", answer.content.decode())).split())


def make(number: int = 0, **columns) -> Pilot:
    values = {"queue": "LOCAL", "batch_system": "local", "submission": "s", "submitted_at": NOW, **columns}
    return Pilot.objects.create(number=number, **{"batch_id": f"s/{number}", **values})


@pytest.fixture
def pilots(db):
    make(0, state="done", exit_code=0, jobs=2, node="wn1", started_at=NOW, ended_at=NOW + timedelta(minutes=5))
    make(1, state="done", exit_code=82, node="wn2", queue="OTHER", words="there was no work for it")
    make(2, state="held", words="over its memory <b>", batch_system="condor")
    make(3, state="running", node="wn1", submitted_at=timezone.now())


def ask(client, query="", token="", address="/api/v1/pilot/get_pilots"):
    return client.get(f"{address}?{query}", headers={"Authorization": f"Bearer {token}"} if token else {})


def numbers(answer) -> list[int]:
    return [one["number"] for one in answer.json()["data"]["pilots"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [3, 2, 1, 0]),
        ("queue=LOCAL", [3, 2, 0]),
        ("state=done", [1, 0]),
        ("system=condor", [2]),
        ("exit=82", [1]),
        ("exit=0", [0]),
        ("node=wn1", [3, 0]),
        ("since=6h", [3]),
        ("since=2026-11-22", [3, 2, 1, 0]),
        ("since=2999-01-01T08:00", []),
        ("jobless=1", [3, 2, 1]),
        ("jobless=0&state=done&node=wn1", [0]),
        ("queue=NONE", []),
    ],
)
def test_pilots_are_listed_by_what_is_asked_for(client, pilots, production_token, open_pages, query, expected):
    found = ask(client, query, production_token)
    assert numbers(found) == expected
    assert found.json() == ask(client, f"json&{query}", address="/pilots").json()


def test_they_are_counted_by_state_whatever_state_is_asked_for(client, pilots, production_token):
    found = ask(client, "state=held&queue=LOCAL", production_token).json()["data"]
    assert found["states"] == {"submitted": 0, "queued": 0, "running": 1, "held": 1, "done": 1, "lost": 0}


def test_pages_follow_each_other_both_ways(client, db, production_token, django_assert_max_num_queries):
    made = [make(number).pk for number in range(7)][::-1]
    first = ask(client, "count=3", production_token).json()["data"]
    assert [[one["id"] for one in first["pilots"]], first["older"], first["newer"]] == [made[:3], made[2], None]
    second = ask(client, f"count=3&before={first['older']}", production_token).json()["data"]
    assert [[one["id"] for one in second["pilots"]], second["older"], second["newer"]] == [made[3:6], made[5], made[3]]
    last = ask(client, f"count=3&before={second['older']}", production_token).json()["data"]
    assert [[one["id"] for one in last["pilots"]], last["older"]] == [made[6:], None]
    back = ask(client, f"count=3&after={second['newer']}", production_token).json()["data"]
    assert [[one["id"] for one in back["pilots"]], back["newer"]] == [made[:3], None]
    with django_assert_max_num_queries(2):
        assert numbers(ask(client, "count=1", production_token)) == [6]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("state=dead", "state: 'dead' is none of submitted, queued"),
        ("exit=x", "exit: "),
        ("since=later", "since: 'later' is neither a time"),
        ("since=99999d&x=1", "x"),
        ("since=0001-01-01T00:00%2B14:00", "since: '0001-01-01T00:00+14:00' is neither a time"),
        ("jobless=2", "jobless: '2' is neither 1 nor 0"),
        ("before=99999999999999999999", "before: "),
        ("count=1001", "count: '1001' is not a whole number from 0 to 1000"),
    ],
)
def test_a_slip_is_named(client, pilots, production_token, open_pages, query, words):
    answer = ask(client, query, production_token).json()
    assert (answer["success"], words in answer["message"]) == (False, True)
    shown = client.get(f"/pilots?{query}")
    assert (shown.status_code, "wrong" in shown.content.decode()) == (400, True)
    assert client.get(f"/pilots?json&{query}").status_code == 400


def test_the_page_shows_them_and_leads_on(client, pilots, open_pages):
    text = text_of(client.get("/pilots?queue=LOCAL&count=2"))
    assert "over its memory <b>" in text
    page = client.get("/pilots?queue=LOCAL&count=2").content.decode()
    assert f"?queue=LOCAL&amp;count=2&amp;before={Pilot.objects.get(number=2).pk}" in page
    assert 'href="?queue=LOCAL&amp;count=2&amp;state=held"' in page
    assert "There are no such pilots" in client.get("/pilots?queue=NONE").content.decode()


@pytest.fixture
def with_job(queue):
    """A pilot that has run a job, which failed."""
    (number,) = submit()
    made = make(5, state="done", exit_code=90, jobs=2, submitted_at=JOBS_NOW)
    claim(batch_id=made.batch_id)
    Attempt.objects.filter(job=number).update(state="failed", pilot_error=1305, pilot_error_words="it crashed <i>")
    return made, number


def test_a_pilot_and_its_jobs_lead_to_each_other(client, with_job, open_pages, production_token):
    made, number = with_job
    page = client.get(f"/pilots/{made.pk}").content.decode()
    assert f'href="/jobs/{number}"' in page
    assert "1305 it crashed &lt;i&gt;" in page
    assert "1 more is not shown" in page
    assert f'href="/pilots/{made.pk}"' in client.get(f"/jobs/{number}").content.decode()
    found = client.get(f"/pilots/{made.pk}?json").json()
    assert found == ask(client, f"pilot_id={made.pk}", production_token, "/api/v1/pilot/get_pilot").json()
    (attempt,) = found["data"]["attempts"]
    assert (attempt["job"], attempt["state"], attempt["pilot_error"]) == (number, "failed", 1305)


def test_a_pilots_life_is_told_in_order_with_its_end_in_words(client, pilots, open_pages):
    Pilot.objects.filter(number=0).update(reported="finished", reported_at=NOW + timedelta(minutes=4))
    text = text_of(client.get(f"/pilots/{Pilot.objects.get(number=0).pk}"))
    order = [text.index(word) for word in ("submitted", "started", "it said that it ends")]
    assert order == sorted(order)
    assert "0: ended well" in text
    held = text_of(client.get(f"/pilots/{Pilot.objects.get(number=2).pk}"))
    assert "Why it is held over its memory <b>" in held
    Pilot.objects.filter(number=2).update(cancelled_at=NOW, cancelled_for="held for too long <i>", nodes=4, cores=64)
    told = text_of(client.get(f"/pilots/{Pilot.objects.get(number=2).pk}"))
    for words in ("told to end", "Why the factory told it to end held for too long <i>", "4 nodes, 64 cores"):
        assert words in told


@pytest.mark.parametrize("number", ["0", "999999999", str(2**63)])
def test_a_pilot_that_is_not_there_is_said(client, pilots, production_token, open_pages, number):
    for address in (f"/pilots/{number}", f"/pilots/{number}?json", f"/pilots/{number}/log/stdout"):
        assert client.get(address).status_code == 404
    for method in ("get_pilot", "get_pilot_log"):
        said = ask(client, f"pilot_id={number}", production_token, f"/api/v1/pilot/{method}").json()
        assert not said["success"]
        assert said["message"].startswith((f"pilot_id: there is no pilot {number}", "Argument error: pilot_id: "))


@pytest.fixture
def written(db, tmp_path):
    (tmp_path / "stdout").write_text("it begins <script>\n" + "x" * 70_000 + "\nit ends")
    (tmp_path / "stderr").write_text("")
    return make(9, state="running", directory=str(tmp_path))


def test_a_log_is_shown_from_its_end_and_leads_to_what_is_before(client, written, open_pages):
    page = client.get(f"/pilots/{written.pk}/log/stdout").content.decode()
    assert "it ends</pre>" in page
    assert 'href="?start=0"' in page
    early = client.get(f"/pilots/{written.pk}/log/stdout?start=0&length=30").content.decode()
    assert "it begins &lt;script&gt;" in early
    assert 'rel="next" href="?start=30"' in early
    assert "Nothing is written there" in client.get(f"/pilots/{written.pk}/log/stderr").content.decode()
    assert f"/pilots/{written.pk}/log/stdout" in client.get(f"/pilots/{written.pk}").content.decode()


def test_a_log_comes_as_bytes_of_a_range_or_as_a_whole(client, written, open_pages):
    address = f"/pilots/{written.pk}/log/stdout?raw"
    whole = client.get(address)
    assert whole.getvalue().startswith(b"it begins <script>")
    assert (whole["Content-Type"], whole["X-Content-Type-Options"]) == ("text/plain; charset=utf-8", "nosniff")
    assert "sandbox" in whole["Content-Security-Policy"]
    for said, status, content in (
        ("bytes=3-8", 206, b"begins"),
        ("bytes=-7", 206, b"it ends"),
        ("bytes=99999-", 416, b""),
    ):
        part = client.get(address, headers={"Range": said})
        assert (part.status_code, part.content) == (status, content)
    assert client.get(address, headers={"Range": "bytes=3-8"})["Content-Range"] == "bytes 3-8/70027"


@pytest.mark.parametrize(
    ("name", "query", "status"),
    [("stdout", "start=x", 400), ("stdout", "length=-1", 400), ("job.json", "", 404), ("last-words", "", 404)],
)
def test_what_cannot_be_shown_of_a_log_is_said(client, written, open_pages, name, query, status):
    for more in ("", "&json"):
        assert client.get(f"/pilots/{written.pk}/log/{name}?{query}{more}").status_code == status


READ = [
    (Role.PRODUCTION, {}, True),
    (Role.ADMIN, {}, True),
    (Role.SITE_ADMIN, {"queues": ["LOCAL"]}, True),
    (Role.SITE_ADMIN, {"queues": ["OTHER"]}, False),
    (Role.USER, {"person": "ada"}, False),
    (Role.READER, {}, False),
    (Role.PILOT, {}, False),
]


@pytest.mark.parametrize(("role", "more", "may"), READ)
def test_what_pilots_write_is_read_by_few(client, written, role, more, may):
    token = create_token("somebody", role, **more)
    page = ask(client, "", token, f"/pilots/{written.pk}/log/stdout")
    assert (page.status_code == 200) is may
    twin = ask(client, "json", token, f"/pilots/{written.pk}/log/stdout")
    said = ask(client, f"pilot_id={written.pk}&length=7", token, "/api/v1/pilot/get_pilot_log")
    assert (twin.status_code, said.status_code) == ((200, 200) if may else (403, 403))
    if may:
        assert (said.json()["data"]["text"], said.json()["data"]["end"]) == ("it ends", 70027)


@pytest.mark.parametrize("who", ["nobody", "reader", "manager", "looker", "root", "gone"])
def test_of_those_who_have_logged_in_some_may_read_what_pilots_write(client, written, who):
    if who != "nobody":
        user = User.objects.create_user(who, is_superuser=who in ("root", "gone"))
        if who in ("manager", "reader"):
            user.groups.add(Group.objects.get_or_create(name="production" if who == "manager" else who)[0])
        if who == "looker":
            user.user_permissions.add(Permission.objects.get(codename="view_pilot"))
        client.force_login(user)
        if who == "gone":
            User.objects.update(is_active=False)
    answer = client.get(f"/pilots/{written.pk}/log/stdout")
    assert answer.status_code == {"nobody": 302, "gone": 302, "reader": 403}.get(who, 200)
    if who == "reader":
        assert "it ends" not in answer.content.decode()
        assert "It is shown to production" in client.get(f"/pilots/{written.pk}").content.decode()


def test_a_log_that_cannot_be_read_is_said_to_clients(client, pilots, production_token):
    number = Pilot.objects.get(number=0).pk
    said = ask(client, f"pilot_id={number}&file=stderr", production_token, "/api/v1/pilot/get_pilot_log").json()
    assert said["message"].startswith(f"pilot {number}: its files have been removed")
    assert "Argument error" in ask(client, "pilot=1", production_token, "/api/v1/pilot/get_pilot_log").json()["message"]


@pytest.fixture
def used(queue, monkeypatch):
    """Pilots of two queues that ended today and yesterday."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    today = NOW.date()
    for days, node, sums in (
        (0, "wn<1>", {"failed": 6, "quick": 6}),
        (1, "wn2", {"wall_seconds": 7200, "busy_seconds": 3600}),
    ):
        day = today - timedelta(days=days)
        PilotUse.objects.create(day=day, queue="LOCAL", node=node, pilots=8, **sums)
    PilotUse.objects.create(day=today, queue="OTHER", node="wn3", pilots=1)
    PilotUse.objects.create(day=today - timedelta(days=20), queue="LOCAL", node="wn4", pilots=1)


def test_nodes_are_shown_with_what_went_wrong_there(client, used, open_pages, production_token):
    text = text_of(client.get("/pilots/nodes"))
    assert "wn<1> LOCAL suspect 8" in text
    for query, names in (("", ["wn<1>", "wn2", "wn3"]), ("queue=OTHER", ["wn3"]), ("days=1&queue=LOCAL", ["wn<1>"])):
        twin = client.get(f"/pilots/nodes?json&{query}").json()
        assert [line["node"] for line in twin["data"]["nodes"]] == names
        assert ask(client, query, production_token, "/api/v1/pilot/get_nodes").json() == twin
    assert "No pilot has ended" in text_of(client.get("/pilots/nodes?queue=NONE"))


@pytest.mark.parametrize("query", ["days=367", "days=x", "day=1"])
def test_a_slip_about_nodes_is_named(client, db, open_pages, production_token, query):
    assert client.get(f"/pilots/nodes?{query}").status_code == 400
    said = client.get(f"/pilots/nodes?json&{query}")
    assert (said.status_code, said.json()["success"]) == (400, False)
    assert "Argument error: " in ask(client, query, production_token, "/api/v1/pilot/get_nodes").json()["message"]


def test_the_page_of_a_queue_tells_what_its_pilots_cost(client, used, open_pages):
    assert "2.0 h 1.0 h 50 %" in text_of(client.get("/queues/LOCAL/pilots"))
    cost = client.get("/queues/LOCAL/pilots?json").json()["data"]["cost"]
    assert [(line["pilots"], line["failed"], line["efficiency"]) for line in cost] == [(8, 6, None), (8, 0, 0.5)]
