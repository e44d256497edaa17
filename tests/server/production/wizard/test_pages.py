"""The form for a new task and the dry run of its draft: who may, what is said of fields, what is written and when."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, User

from pilot.contract import naming
from server.pandaconfig.logic import define_queue
from server.production import logic
from server.production.catalogue import load
from server.production.models import Task, TaskEvent
from server.production.raw_lists import RawLine
from server.production.reference.models import Site, TaskKind
from tests.kits.people import reader
from tests.server.production.conftest import DATA, GENERATION, RECONSTRUCTION

DRY_RUN = "/tasks/mc2016_gen/dry-run"


@pytest.fixture
def manager(queue, client):
    user = User.objects.create_user("manager", password="x")
    user.groups.add(Group.objects.get_or_create(name="production")[0])
    client.force_login(user)
    return client


@pytest.fixture
def draft(queue) -> Task:
    return logic.define_task(GENERATION, by="manager")


def seen(task: Task) -> str:
    task.refresh_from_db()
    return task.updated.isoformat()


def test_a_form_is_filled_in_saved_looked_at_and_started(manager):
    text = manager.get("/tasks/new").content.decode()
    assert "MC generation" in text
    assert "user analysis" not in text
    text = manager.get("/tasks/new", {"type": "mc_generation"}).content.decode()
    assert 'name="events_per_chunk"' in text
    assert 'name="slot"' not in text
    answer = manager.post("/tasks/new", {**GENERATION, "act": "save"})
    assert (answer.status_code, answer["Location"]) == (302, DRY_RUN)
    text = manager.get(DRY_RUN).content.decode()
    assert "mcr00001-278473_run000.tgeant" in text
    assert "2 runs, 6 chunks" in text
    task = Task.objects.get()
    order = {"act": "start", "seen": seen(task), "sure": "yes"}
    assert manager.post(DRY_RUN, order)["Location"] == "/tasks/mc2016_gen"
    task.refresh_from_db()
    assert (task.state, task.owner) == ("send", "manager")
    assert manager.get(DRY_RUN).status_code == 400


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"soft": "a/b", "act": "save"}, 400, "cannot be used; give the software&#x27;s folder"),
        ({"name": "", "act": "check"}, 200, "is missing; give letters"),
        ({"queue": "NOWHERE", "year": "x", "act": "check"}, 200, "NOWHERE&#x27; does not exist"),
        ({"limits": "much", "act": "save"}, 400, "is not &#x27;name = number&#x27;"),
        ({"limits": "jobs_per_task = 0", "act": "save"}, 400, "give a whole number from 1 to"),
        ({"name": "new", "act": "check"}, 200, "is the name of a page here"),
        ({"type": "user_analysis"}, 400, "choose one of these first"),
        ({"act": "check"}, 200, "Nothing is wrong with it"),
        ({"comment": "<script>\0", "act": "check"}, 200, "&lt;script&gt;"),
    ],
)
def test_slips_stand_at_their_fields_and_nothing_is_written(manager, change, status, words):
    answer = manager.post("/tasks/new", {**GENERATION, **change})
    assert answer.status_code == status
    assert words in answer.content.decode()
    assert not Task.objects.exists()


def test_who_may_only_look_writes_nothing(queue, draft, client):
    assert client.get("/tasks/new")["Location"].startswith("/login?next=")
    assert client.post(DRY_RUN, {"act": "start"}).status_code == 302
    client.force_login(reader("guest"))
    assert "Welcome, guest" in client.get("/tasks/new", {"type": "mc_generation"}).content.decode()
    assert client.post("/tasks/new", {**GENERATION, "name": "x", "act": "save"}).status_code == 403
    assert client.post("/tasks/new/check", GENERATION).status_code == 403
    assert "Start it" not in client.get(DRY_RUN).content.decode()
    for act in ("start", "cancel"):
        assert client.post(DRY_RUN, {"act": act, "sure": "yes", "seen": seen(draft)}).status_code == 403
    assert client.post("/tasks/mc2016_gen/define", {**GENERATION, "act": "save"}).status_code == 403
    assert list(Task.objects.values_list("name", "state")) == [("mc2016_gen", "draft")]


def test_a_form_without_its_token_is_refused(manager):
    manager.handler.enforce_csrf_checks = True
    for address in ("/tasks/new", "/tasks/new/check", DRY_RUN):
        assert manager.post(address, GENERATION).status_code == 403


def test_fields_are_checked_one_by_one_while_others_are_missing(manager, draft):
    written = {"type": "mc_reconstruction", "production": "p", "year": "2016", "period": "P07", "soft": "mc2016-1"}
    found = manager.post("/tasks/new/check", {**written, "parent": "mc2016_ge", "queue": "LOCAL"}).json()["data"]
    assert set(found["slips"]) == {"parent"}
    assert "did you mean 'mc2016_gen'" in found["slips"]["parent"]
    assert "every slot is free" in found["notes"]["slot"]
    assert "not visible from the server" in found["notes"]["soft"]
    assert ["mDST", "mc_prod/CERN/2016/P07/mc2016-1/mcreco/mDST.chunks/mDST-278473-1-0-7.root"] in found["names"]
    logic.define_task(RECONSTRUCTION, by="manager")
    found = manager.post("/tasks/new/check", {**written, "slot": "1", "path": "/x"}).json()["data"]
    assert "1 (PHAST 7) by mc2016_reco; 0 is free" in found["notes"]["slot"]
    assert set(found["slips"]) == {"path"}
    assert manager.post("/tasks/new/check", {}).status_code == 400
    assert manager.get("/tasks/new/check").status_code == 405


def test_lists_are_counted_and_runs_looked_up(manager):
    frame = {"type": "mass_production"}
    found = manager.post("/tasks/new/check", {**frame, "files": DATA["files"], "runs": "5-7"}).json()["data"]
    assert found["notes"]["files"] == "2 raw files"
    named = {**frame, "production": "p", "year": "2016", "period": "P07", "soft": "x"}
    for said, job in (
        ({"files": DATA["files"]}, "278473-11001"),
        ({"runs": "9-11"}, "9-1"),
        ({"runs": "x"}, "278473-1"),
    ):
        names = manager.post("/tasks/new/check", {**named, **said}).json()["data"]["names"]
        assert names[0] == ["job", f"p-2016--{job}-0-7"]
    assert "no file of run 5, 6, 7; load its list" in found["slips"]["runs"]
    found = manager.post("/tasks/new/check", {**frame, "files": "nonsense"}).json()["data"]
    assert "line 1" in found["slips"]["files"]


def test_more_chunks_than_a_task_may_have_are_told_while_the_form_is_filled_in(manager, draft, settings):
    settings.PRODUCTION = {"chunks_per_task": 1}
    frame = {"type": "mass_production"}
    load([RawLine(278473, chunk, naming.raw(278473, chunk), "raw") for chunk in (1, 2)], endpoint="")
    looked = [
        ("files", {**frame, "files": DATA["files"]}),
        ("runs", {**frame, "runs": "278473"}),
        ("runs", {"type": "mc_generation", "runs": "278473, 2"}),
        ("parent", {"type": "mc_reconstruction", "parent": "mc2016_gen"}),
    ]
    for field, written in looked:
        words = manager.post("/tasks/new/check", written).json()["data"]["slips"][field]
        assert "chunks are more than 1 (chunks_per_task); split them" in words
    TaskKind.objects.filter(word="mc_generation").delete()
    TaskKind.objects.create(word="mc_generation", chain="mc_generation", limits={"chunks_per_task": 2})
    assert manager.post("/tasks/new/check", looked[2][1]).json()["data"]["slips"] == {}


def test_a_folder_of_software_is_told_where_its_root_is_a_site_s_alone(manager, tmp_path):
    (tmp_path / "mc2016-1").mkdir()
    written = {"type": "mc_generation", "home": f"{tmp_path}/", "soft": "mc2016-1"}
    assert "not looked at" in manager.post("/tasks/new/check", written).json()["data"]["notes"]["soft"]
    Site.objects.create(name="HERE", queue="LOCAL", home=f"{tmp_path}/")
    note = manager.post("/tasks/new/check", written).json()["data"]["notes"]["soft"]
    assert note == f"{tmp_path}/mc2016-1 is there"
    note = manager.post("/tasks/new/check", {**written, "soft": "other"}).json()["data"]["notes"]["soft"]
    assert "is not there" in note


def test_another_one_like_it_gets_its_fields_but_not_its_name(manager, draft):
    text = manager.get("/tasks/new", {"like": "mc2016_gen"}).content.decode()
    assert "278474, 3" in text
    assert 'value="mc2016P07"' in text
    assert 'value="mc2016_gen"' not in text.replace('name="like" value="mc2016_gen"', "")
    assert manager.get("/tasks/new", {"like": "none"}).status_code == 404


def test_a_draft_is_corrected_with_a_line_in_its_history(manager, draft):
    text = manager.get("/tasks/mc2016_gen/define").content.decode()
    assert f'name="seen" value="{seen(draft)}"' in text
    order = {**GENERATION, "events_per_chunk": "200", "slot": "3", "act": "save", "seen": seen(draft)}
    assert manager.post("/tasks/mc2016_gen/define", order)["Location"] == DRY_RUN
    draft.refresh_from_db()
    assert (draft.state, draft.events_per_chunk, draft.owner) == ("draft", 200, "manager")
    assert TaskEvent.objects.first().words == "defined anew: events_per_chunk 100 -> 200"
    # Who had opened it before looks again.
    late = manager.post("/tasks/mc2016_gen/define", order)
    assert late.status_code == 409
    assert "was changed by somebody else" in late.content.decode()
    assert "from yours to theirs: nothing that you write is different" in late.content.decode()
    logic.start_task("mc2016_gen", by="manager")
    assert manager.post("/tasks/mc2016_gen/define", order).status_code == 400


def test_the_second_of_two_people_sees_what_the_first_has_changed_and_may_write_it_over(manager, draft):
    opened = seen(draft)
    first = {**GENERATION, "events_per_chunk": "200", "act": "save", "seen": opened}
    manager.post("/tasks/mc2016_gen/define", first)
    second = {**GENERATION, "events_per_chunk": "300", "act": "save", "seen": opened}
    late = manager.post("/tasks/mc2016_gen/define", second)
    text = late.content.decode()
    assert (late.status_code, "events_per_chunk 300 -&gt; 200" in text) == (409, True)
    assert "saving it once more writes it over theirs" in text
    draft.refresh_from_db()
    assert draft.events_per_chunk == 200
    again = {**second, "seen": re.search('name="seen" value="([^"]+)"', text)[1]}
    assert manager.post("/tasks/mc2016_gen/define", again).status_code == 302
    draft.refresh_from_db()
    assert draft.events_per_chunk == 300


def test_a_draft_that_gets_another_site_follows_it_and_keeps_what_people_have_said(manager):
    define_queue(
        {"nickname": "FARM", "status": "online", "astorages": {"pr": ["DISK"], "pw": ["DISK"], "pl": ["DISK"]}}
    )
    Site.objects.create(name="HERE", queue="LOCAL", home="/cvmfs/here/", limits={"max_attempts": 3})
    Site.objects.create(name="THERE", queue="FARM", home="/cvmfs/there/")
    said = {**GENERATION, "queue": "", "site": "HERE", "priority": "7"}
    assert manager.post("/tasks/new", {**said, "act": "save"}).status_code == 302
    sections = manager.get("/tasks/mc2016_gen/define").context["sections"]
    shown = {one["field"].name: one["text"] for section in sections for one in section["fields"]}
    assert (shown["site"], shown["priority"], shown["soft"]) == ("HERE", "7", "mc2016-1")
    assert {shown[name] for name in ("queue", "home", "max_attempts")} == {""}
    assert (
        manager.post("/tasks/mc2016_gen/define", {**shown, "type": "mc_generation", "act": "save"}).status_code == 302
    )
    assert TaskEvent.objects.first().words == "defined anew: the same as before"
    manager.post("/tasks/mc2016_gen/define", {**shown, "type": "mc_generation", "site": "THERE", "act": "save"})
    task = Task.objects.get()
    assert (task.queue, task.home, task.max_attempts, task.priority) == ("FARM", "/cvmfs/there/", 5, 7)


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"sure": ""}, 400, "tick that you are sure"),
        ({"seen": "yesterday"}, 409, "was changed since you looked"),
        ({"act": "explode"}, 400, "is neither start nor cancel"),
    ],
)
def test_nothing_is_started_that_was_not_looked_at(manager, draft, change, status, words):
    answer = manager.post(DRY_RUN, {"act": "start", "sure": "yes", "seen": seen(draft), **change})
    assert (answer.status_code, words in answer.content.decode()) == (status, True)
    draft.refresh_from_db()
    assert draft.state == "draft"


def test_a_draft_is_given_up_with_a_reason(manager, draft):
    order = {"act": "cancel", "sure": "yes", "seen": seen(draft), "why": "wrong period"}
    assert manager.post(DRY_RUN, order).status_code == 302
    assert TaskEvent.objects.first().words == "wrong period"
    draft.refresh_from_db()
    assert draft.state == "cancelled"


def test_a_page_has_a_twin_in_json_parts_and_files(manager, draft):
    found = manager.get(DRY_RUN, {"json": "", "run": "278474", "limit": "1"}).json()["data"]
    assert (found["jobs"]["total"], len(found["jobs"]["rows"])) == (3, 1)
    text = manager.get(DRY_RUN, {"limit": "2"}).content.decode()
    assert "?jobs_from=2&amp;limit=2#jobs" in text
    answer = manager.get(DRY_RUN, {"format": "csv"})
    assert b"".join(answer.streaming_content).count(b"\r\n") == 7
    for wrong in ({"limit": "0"}, {"run": "x"}, {"jobs_from": "-1"}, {"format": "xls"}, {"odd": "1"}):
        assert manager.get(DRY_RUN, wrong).status_code == 400
    assert manager.get("/tasks/none/dry-run").status_code == 404


def test_a_draft_that_cannot_be_sent_any_more_says_why(manager, draft):
    Task.objects.update(queue="GONE")
    text = manager.get(DRY_RUN).content.decode()
    assert "GONE&#x27; does not exist" in text
    assert "Start it" not in text
    assert set(manager.get(DRY_RUN, {"json": ""}).json()["data"]["slips"]) == {"queue"}


@pytest.mark.parametrize(("address", "status"), [("/tasks/nope/dry-run?json", 404), (f"{DRY_RUN}?json&limit=0", 400)])
def test_the_dry_runs_json_twin_refuses_in_json(manager, draft, address, status):
    answer = manager.get(address)
    assert (answer.status_code, answer.json()["success"]) == (status, False)
