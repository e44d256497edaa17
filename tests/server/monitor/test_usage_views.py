"""What was used, on its page, in its twins and for clients; each sees what it may."""

from __future__ import annotations

import csv
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from server.accounting.models import Bookmark, Failure, Usage
from server.accounts.logic import create_token
from server.accounts.models import Role
from server.monitor import usage
from server.pandaconfig.logic import define_queue
from server.production.models import Task
from tests.server.monitor.test_views import parsed

LAST = "2026-11-21"
DAY = datetime(2026, 11, 21, tzinfo=UTC).date()


def add(days_ago: int = 0, *, hours: float = 1.0, failed: int = 0, **fields) -> None:
    kind = {"user": "ada", "group": "muon", "queue": "LOCAL", "task_id": 0, "label": "user", **fields}
    row = Usage.objects.create(
        day=DAY - timedelta(days=days_ago),
        **kind,
        **{"attempts": 2 + failed, "attempts_failed": failed, "jobs_finished": 2, "jobs_failed": failed},
        **{"good_core_seconds": round(3600 * hours), "lost_core_seconds": 360 * failed, "output_bytes": 10**9},
    )
    if failed:
        Failure.objects.create(usage=row, source="pilot", code=1305, attempts=failed)


@pytest.fixture
def used(queue):
    define_queue({"nickname": "SMALL", "status": "online", "siteid": "TOWN"})
    add(), add(1, hours=3, failed=2), add(user="bob", hours=5, queue="SMALL"), add(40, hours=100)
    add(user="carla", label="managed", hours=2, task_id=Task.objects.create(**TASK).pk, group="hadron")


TASK = {
    **{"name": "mc-2026", "type": "mc_generation", "production": "p", "year": 2026, "period": "P01", "soft": "s"},
    **{"queue": "LOCAL", "priority": 1, "merging_priority": 1, "max_attempts": 1, "owner": "carla"},
}


def ask(client, query="", token="", address="/api/v1/statistics/get_usage"):
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}
    return client.get(f"{address}?last={LAST}&{query}", **bearer)


def hours(found) -> dict[str, float]:
    """Answer the core-hours of each name."""
    by, said = found["by"], dict.fromkeys(found["names"], 0.0)
    for line in found["days"]:
        said[line[by]] += (line["good_core_seconds"] + line["lost_core_seconds"]) / 3600
    return said


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("by=user", {"bob": 5.0, "ada": 4.2, "carla": 2.0}),
        ("by=user&days=1", {"bob": 5.0, "carla": 2.0, "ada": 1.0}),
        ("by=user&days=41&user=ada", {"ada": 104.2}),
        ("by=group", {"muon": 9.2, "hadron": 2.0}),
        ("", {"user": 9.2, "managed": 2.0}),
        ("by=site", {"LOCAL": 6.2, "SMALL": 5.0}),
        ("by=user&site=TOWN", {"bob": 5.0}),
        ("by=user&site=SMALL", {"bob": 5.0}),
        ("by=user&site=NOWHERE", {}),
        ("by=user&group=hadron", {"carla": 2.0}),
        ("by=user&label=managed", {"carla": 2.0}),
        ("by=user&task=mc-2026", {"carla": 2.0}),
        ("by=user&task=0", {"bob": 5.0, "ada": 4.2}),
    ],
)
def test_usage_is_told_by_what_was_asked(client, used, production_token, query, expected):
    found = ask(client, query, production_token).json()["data"]
    assert hours(found) == pytest.approx(expected)
    assert list(hours(found)) == list(expected)


@pytest.mark.parametrize(
    ("query", "expected", "left_out"),
    [
        ("by=user&limit=2", ["bob", "ada"], 1),
        ("by=user&limit=2&offset=2", ["carla"], 0),
        ("by=user&limit=2&offset=9", [], 0),
        ("by=task&limit=1", [""], 1),
    ],
)
@pytest.mark.parametrize(("address", "more"), [("/api/v1/statistics/get_usage", ""), ("/usage", "&json")])
def test_names_come_in_pages_and_the_totals_are_of_all(
    client, used, production_token, address, more, query, expected, left_out
):
    whole = ask(client, "by=user", production_token).json()["data"]
    found = ask(client, query + more, production_token, address).json()["data"]
    assert (found["names"], found["left_out"], whole["left_out"]) == (expected, left_out, 0)
    assert {line[found["by"]] for line in found["days"]} == set(expected)
    assert found["totals"] == whole["totals"]
    of_bob = [line for line in whole["days"] if line["user"] == "bob"]
    assert [line for line in found["days"] if line.get("user") == "bob"] == of_bob * ("bob" in expected)


def test_failures_have_their_names(client, used, production_token):
    found = ask(client, "user=ada", production_token).json()["data"]
    assert found["failures"] == [{"source": "pilot", "code": 1305, "name": "PAYLOAD_FAILED", "n": 2}]
    assert (found["totals"]["attempts"], found["first"], found["last"]) == (6, "2026-11-08", LAST)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("days=0", "days: '0' is not a whole number from 1 to 366"),
        ("days=x", "days: 'x'"),
        ("limit=0", "limit: '0' is not a whole number from 1 to 5000"),
        ("offset=-1", "offset: '-1' is not a whole number from 0"),
        ("by=colour", "by: 'colour' is none of user, group, site, task, label, share"),
        ("task=nowhere", "task: 'nowhere' is neither the name nor the number of a task"),
        ("usr=ada", "usr"),
    ],
)
def test_a_slip_is_named(client, production_token, query, words):
    answer = ask(client, query, production_token).json()
    assert not answer["success"]
    assert words in answer["message"]


@pytest.mark.parametrize("last", ["tomorrow", "1999-12-31"])
def test_a_day_that_is_none_is_named(client, production_token, last):
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {production_token}"}
    answer = client.get(f"/api/v1/statistics/get_usage?last={last}", **bearer)
    assert f"last: '{last}' is not a day such as 2026-11-21" in answer.json()["message"]


def token_of(role: Role, **fields) -> str:
    return create_token(f"some-{role}", role, **fields)


@pytest.mark.parametrize("address", ["/api/v1/statistics/get_usage", "/usage"])
def test_a_user_sees_its_own_usage_alone(client, used, address):
    token = token_of(Role.USER, person="ada")
    twin = "&json" if address == "/usage" else ""
    for query in ("by=user", "by=user&user=ada"):
        assert hours(ask(client, query + twin, token, address).json()["data"]) == pytest.approx({"ada": 4.2})
    refused = ask(client, "user=bob" + twin, token, address)
    assert (refused.status_code, refused.json()["success"]) == (403, False)
    assert "your own usage alone" in refused.json()["message"]


def test_a_sites_administrator_sees_the_usage_of_its_queues(client, used):
    token = token_of(Role.SITE_ADMIN, queues=["SMALL"])
    assert hours(ask(client, "by=site", token).json()["data"]) == {"SMALL": 5.0}
    assert "the usage of SMALL alone" in ask(client, "site=LOCAL", token).json()["message"]


@pytest.mark.parametrize("role", [Role.READER, Role.ADMIN])
def test_who_reads_sees_everything(client, used, role):
    assert set(hours(ask(client, "by=user", token_of(role)).json()["data"])) == {"ada", "bob", "carla"}


def test_pilots_see_nothing(client, used, pilot_token):
    assert ask(client, "", pilot_token).status_code == 403


def test_the_page_shows_a_chart_and_a_table(client, open_pages, used):
    answer = ask(client, "by=user&user=ada", address="/usage")
    parsed(answer)
    text = answer.content.decode()
    assert 'aria-label="Core-hours by day from 2026-11-08 to 2026-11-21, 4.2 in all"' in text
    assert "<title>2026-11-20 · ada: 3.2 core-hours</title>" in text
    assert "PAYLOAD_FAILED" in text
    assert f'href="?user=ada&amp;last={LAST}&amp;by=user&amp;csv"' in text
    assert 'value="ada"' in text


def test_a_task_has_its_name_and_leads_to_its_page(client, open_pages, used):
    text = ask(client, "by=task", address="/usage").content.decode()
    assert '<a href="/tasks/mc-2026">mc-2026</a>' in text


def test_a_page_of_nothing_says_so(client, open_pages, used):
    assert "Nothing of this kind has ended" in ask(client, "user=nobody", address="/usage").content.decode()


def test_a_slip_on_the_page_is_named_in_its_twins_too(client, open_pages, used):
    words = ask(client, "user=a%01b&json", address="/usage").json()["message"]
    assert words == "user: 'a\\x01b' holds a character that cannot be printed"
    answer = ask(client, "days=0", address="/usage")
    assert (answer.status_code, "days: &#x27;0&#x27; is not" in answer.content.decode()) == (400, True)
    assert not ask(client, "days=0&json", address="/usage").json()["success"]


def test_names_beyond_the_table_are_added_up(client, open_pages, used, monkeypatch):
    monkeypatch.setattr(usage, "MOST_NAMES", 1)
    text = ask(client, "by=user", address="/usage").content.decode()
    assert "2 others" in text
    (rest,) = (line for line in re.findall(r"<tr.*?</tr>", text, re.DOTALL) if "2 others" in line)
    assert re.findall(r">([^<>]+)</t[dh]>", rest)[1:3] == ["6", "2"]
    assert ">6.0<" in rest


def test_the_chart_shows_those_who_have_no_line_too(client, open_pages, used, monkeypatch):
    whole = ask(client, "by=user", address="/usage").content.decode()
    monkeypatch.setattr(usage, "MOST_NAMES", 1)
    words = re.compile(r'aria-label="(Core-hours by day [^"]*)"')
    assert words.findall(ask(client, "by=user", address="/usage").content.decode()) == words.findall(whole)


def test_months_that_are_kept_as_one_are_shown_whole(client, open_pages, used, production_token):
    Usage.objects.filter(user="bob").update(day=date(2026, 9, 1))
    Bookmark.objects.update_or_create(name="usage", defaults={"days_from": date(2026, 10, 1)})
    query = "by=user&days=3&last=2026-09-20"
    found = client.get(f"/usage?{query}&json").json()["data"]
    assert (found["first"], found["last"], found["days_from"]) == ("2026-09-01", "2026-09-30", "2026-10-01")
    assert hours(found) == {"bob": 5}
    text = client.get(f"/usage?{query}").content.decode()
    assert "Before 1 Oct 2026 usage is kept by month" in text
    assert "is kept by month" not in ask(client, "by=user", address="/usage").content.decode()


def test_a_file_for_a_spreadsheet_has_every_row_and_no_formula(client, open_pages, used, monkeypatch):
    add(user="=cmd()")
    answer = ask(client, "csv", address="/usage")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="usage-2026-11-08-2026-11-21.csv"'
    lines = list(csv.DictReader(answer.content.decode().splitlines()))
    assert sorted(line["user"] for line in lines) == ["'=cmd()", "ada", "ada", "bob", "carla"]
    assert sum(int(line["attempts"]) for line in lines) == 12
    monkeypatch.setattr(usage, "MOST_ROWS", 4)
    assert "5 rows; ask for fewer days" in ask(client, "csv", address="/usage").content.decode()


def test_the_page_asks_a_fixed_number_of_queries(client, open_pages, used):
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            ask(client, "by=user", address="/usage")
        return len(asked)

    before = count()
    for n in range(30):
        add(n, user=f"user{n}")
    assert count() == before <= 6


def test_who_has_not_logged_in_is_asked_to(client, db):
    assert ask(client, address="/usage").status_code == 302
