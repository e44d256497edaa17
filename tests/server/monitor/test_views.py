"""The pages load, say what to do when they are empty, cost a fixed number of queries, and have a JSON twin."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.pandaconfig.models import Schedconfig
from server.production import logic
from tests.kits.people import reader
from tests.server.production.conftest import GENERATION, RECONSTRUCTION, failed, work

pytestmark = pytest.mark.usefixtures("db")

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Balanced(HTMLParser):
    """Fails for a tag that is closed wrongly; collects what the page loads and links to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str] = []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.loaded += [found[key] for key in ("src",) if key in found]
        self.loaded += [found["href"]] if tag == "link" else []
        self.ids += [found["id"]] if "id" in found else []
        self.labels += found.get("aria-labelledby", "").split()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(answer) -> Balanced:
    page = Balanced()
    page.feed(answer.content.decode())
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.labels) <= set(page.ids)
    return page


@pytest.mark.usefixtures("open_pages")
def test_an_empty_system_says_what_to_do_next(client):
    answer = client.get("/")
    parsed(answer)
    text = answer.content.decode()
    for words in ("compass task create", "compass demo", "There are no queues", "No service has run yet"):
        assert words in text


@pytest.mark.usefixtures("open_pages")
def test_the_overview_shows_tasks_steps_queues_and_moves(client, tasks, pilot):
    work(pilot)
    answer = client.get("/")
    parsed(answer)
    text = answer.content.decode()
    for words in ("mc2016_gen", "mc2016_reco", "cross-check", "LOCAL", "production.finish", "/tasks/mc2016_reco"):
        assert words in text
    assert 'aria-valuenow="6"' in text


@pytest.mark.usefixtures("open_pages")
def test_a_task_page_shows_matrix_evidence_and_outputs(client, tasks, pilot):
    pilot.spoil = lambda job: {"events": 1} if job.name.startswith("mc2016P07-merge-mdst-278473") else {}
    work(pilot)
    answer = client.get("/tasks/mc2016_reco")
    parsed(answer)
    text = answer.content.decode()
    assert "270 events went in, 1 came out: 269 are missing" in text
    assert re.search(r'class="cell bad"><a href="[^"]*run=278473&amp;step=crosscheck#evidence"><b>0/1</b>', text)
    assert "mDST-278474-1-7.root" in text
    assert 'href="/tasks/mc2016_gen"' in text
    assert '<th scope="row">retry_delay</th><td class="n">0</td><td>settings</td>' in text


@pytest.mark.usefixtures("open_pages")
def test_a_task_without_runs_says_how_to_start_it(client, queue):
    logic.define_task(GENERATION, by="manager")
    assert "compass task move mc2016_gen start" in client.get("/tasks/mc2016_gen").content.decode()


@pytest.mark.usefixtures("open_pages")
def test_a_task_that_does_not_exist_is_404_with_a_way_back(client):
    answer = client.get("/tasks/nothing")
    assert answer.status_code == 404
    assert "There is no task <code>nothing</code>" in answer.content.decode()


@pytest.mark.usefixtures("open_pages")
def test_what_people_wrote_is_shown_and_never_run(client, queue):
    logic.define_task({**GENERATION, "comment": "<script>alert(1)</script>"}, by="<b>me</b>")
    text = client.get("/tasks/mc2016_gen").content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "&lt;b&gt;me" in text


@pytest.mark.usefixtures("open_pages")
def test_pages_load_only_what_this_server_has(client, tasks):
    for address in ("/", "/tasks/mc2016_reco", "/tasks/nothing"):
        answer = client.get(address)
        for source in parsed(answer).loaded:
            assert source.startswith("/static/")
            assert finders.find(source.removeprefix("/static/"))
        assert "default-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.usefixtures("open_pages")
@pytest.mark.parametrize("ask", [{"data": {"json": ""}}, {"headers": {"Accept": "application/json"}}])
def test_each_page_has_a_json_twin(client, tasks, ask):
    overview = client.get("/", **ask).json()["data"]
    assert [task["name"] for task in overview["tasks"]] == ["mc2016_reco", "mc2016_gen"]
    assert overview["queues"] == [{"name": "LOCAL", "status": "online", "waiting": 0, "running": 0, "pilots": 0}]
    assert client.get("/tasks/mc2016_gen", **ask).json()["data"]["status"] == "send"


@pytest.mark.usefixtures("open_pages")
@pytest.mark.parametrize("address", ["/", "/tasks/r1"])
def test_the_number_of_queries_of_a_page_does_not_grow(client, queue, pilot, address):
    counts = []
    for number in (1, 2, 3):
        generation = {**GENERATION, "name": f"g{number}", "soft": f"s{number}", "runs": f"1, {number}\n{number + 1}, 1"}
        logic.define_task(generation, by="manager", start=True)
        reconstruction = {**RECONSTRUCTION, "name": f"r{number}", "soft": f"s{number}", "parent": f"g{number}"}
        logic.define_task(reconstruction, by="manager", start=True)
        Schedconfig.objects.create(nickname=f"Q{number}")
        work(pilot)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1] == counts[2]
    assert counts[0] <= 40


def test_without_the_setting_a_page_asks_for_a_login(client):
    answer = client.get("/")
    assert (answer.status_code, answer.url) == (302, "/login?next=/")
    assert client.get("/?json").status_code == 403


@pytest.mark.usefixtures("open_pages")
@pytest.mark.parametrize(
    "elsewhere",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": "not an address"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.7"},
        {"HTTP_FORWARDED": "for=192.0.2.7"},
    ],
)
def test_open_pages_are_open_on_this_machine_only(client, elsewhere):
    assert client.get("/", **elsewhere).status_code == 302
    assert client.get("/").status_code == 200


def test_who_has_logged_in_sees_the_pages(client, django_user_model):
    client.force_login(reader("shift"))
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(("role", "status"), [(Role.READER, 200), (Role.PRODUCTION, 200), (Role.PILOT, 403)])
def test_tokens_that_read_see_the_pages(client, role, status):
    headers = {"Authorization": f"Bearer {create_token('me', role)}"}
    assert client.get("/", headers=headers).status_code == status
    assert client.get("/api/v1/system/get_status", headers=headers).status_code == status


def test_the_status_for_clients_has_jobs_tasks_pilots_and_services(client, tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1243) if job.arguments[4] == "1" else {}
    work(pilot)
    headers = {"Authorization": f"Bearer {create_token('me', Role.READER)}"}
    found = client.get("/api/v1/system/get_status", headers=headers).json()["data"]
    assert found["jobs"] == {"activated": 0, "running": 0, "finished": 8, "failed": 2}
    assert set(found) == {"now", "tasks", "jobs", "queues", "pilots", "services", "events"}


@pytest.mark.usefixtures("open_pages")
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_pages_only_read(client, method):
    assert getattr(client, method)("/").status_code == 405


@pytest.mark.usefixtures("open_pages")
def test_what_a_web_server_with_certificates_passes_on_is_not_this_machine(client, db):
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"X-Compass-Front": "x", "X-Compass-Verified": "NONE"}).status_code == 302


def test_who_comes_with_a_certificate_is_not_sent_to_log_in(client, db, settings, tmp_path):
    (tmp_path / "secret").write_text("s" * 32)
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, front_secret_file=str(tmp_path / "secret"))
    create_token("alices", Role.READER, certificate="/O=x/CN=alice")
    headers = {"X-Compass-Front": "s" * 32, "X-Compass-Verified": "SUCCESS", "X-Compass-Subject": "CN=alice,O=x"}
    assert client.get("/", headers=headers).status_code == 200
    assert client.get("/", headers={**headers, "X-Compass-Subject": "CN=bob,O=x"}).status_code == 403
