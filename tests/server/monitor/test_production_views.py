"""The pages of tasks and runs: what is shown of them, what people may do there, and what that costs."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from server.production.models import Chunk, CrossCheck, MergeGroup, TaskEvent
from tests.kits.people import reader
from tests.server.monitor.test_views import parsed
from tests.server.production.conftest import define_data, failed, work

pytestmark = pytest.mark.usefixtures("open_pages")

HOSTILE = '<script>alert(1)</script>"><img src=x>'


def spoiled(job):
    return {"events": 1} if job.name.startswith("mc2016P07-merge-mdst-278473") else {}


@pytest.fixture
def lossy(tasks, pilot):
    """A reconstruction of two runs, of which the first has lost events in its merge."""
    pilot.spoil = spoiled
    work(pilot)
    return tasks[1]


@pytest.fixture
def manager(client, django_user_model):
    """Somebody of the group production, who has logged in."""
    user = django_user_model.objects.create_user("manager")
    user.groups.add(Group.objects.get_or_create(name="production")[0])
    client.force_login(user)
    return user


def text_of(client, address, status=200):
    answer = client.get(address)
    assert answer.status_code == status
    parsed(answer)
    return answer.content.decode()


def questions(client, address):
    """Count what a page asks of the production's tables; what is known of queues is remembered for a while."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return sum('"production_' in query["sql"] for query in captured.captured_queries)


# The matrix


def test_those_runs_come_first_that_need_a_person(client, lossy):
    CrossCheck.objects.filter(run__number=278473).update(verdict="yes")
    MergeGroup.objects.filter(run__number=278474, number=0).update(state="failed")
    MergeGroup.objects.filter(run__number=278473).update(state="finished")
    found = client.get("/tasks/mc2016_reco?json").json()["data"]["runs_page"]
    assert [line["run"] for line in found["runs"]] == [278474, 278473]
    assert found["counts"] == {"all": 2, "stuck": 1, "running": 1, "waiting": 0, "done": 0}
    found = client.get("/tasks/mc2016_reco?json&sort=number").json()["data"]["runs_page"]
    assert [line["run"] for line in found["runs"]] == [278473, 278474]


def test_only_runs_of_one_kind_are_shown(client, lossy):
    for show, runs in (("stuck", [278473]), ("done", [278474]), ("running", [])):
        found = client.get(f"/tasks/mc2016_reco?json&show={show}").json()["data"]["runs_page"]
        assert [line["run"] for line in found["runs"]] == runs
    assert "No run is running" in text_of(client, "/tasks/mc2016_reco?show=running")


def test_a_cell_that_is_bad_opens_the_mismatch_beside_its_evidence(client, lossy):
    text = text_of(client, "/tasks/mc2016_reco?run=278473&step=crosscheck")
    assert "270 events went in, 1 came out: 269 are missing" in text
    assert '<td class="n"><b>−269</b></td>' in text
    assert "log in" in text
    found = client.get("/tasks/mc2016_reco?json&run=278473&step=crosscheck").json()["data"]["evidence"]
    assert [(one["in"], one["out"], one["inputs"]) for one in found["merges"]] == [(270, 1, 3)]


def test_what_failed_is_told_with_its_job_its_code_and_advice(client, tasks, pilot):
    pilot.spoil = lambda job: failed(payload_error=1243) if job.arguments[4] == "3" else {}
    work(pilot)
    (one,) = client.get("/tasks/mc2016_gen?json&run=278473&step=generation").json()["data"]["evidence"]["troubles"]
    assert (one["what"], one["state"], one["code"]) == ("chunk 3", "manual_check", 1243)
    assert one["advice"] == "have the run's LED calibrations checked, then send it again"
    text = text_of(client, "/tasks/mc2016_gen?run=278473&step=generation")
    assert f'href="/jobs/{one["job"]}"' in text
    assert 'href="/tasks/mc2016_gen/resend?what=manual_check&amp;run=278473"' in text


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("show=nothing", "show: &#x27;nothing&#x27; is none of all, stuck, running, waiting, done"),
        ("page=-1", "page: &#x27;-1&#x27; is not a whole number"),
        ("run=1&step=magic", "step: &#x27;magic&#x27; is none of"),
        ("colour=red", "colour: there is no such filter"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(client, tasks, asked, words):
    assert words in text_of(client, f"/tasks/mc2016_gen?{asked}", 400)
    assert client.get(f"/tasks/mc2016_gen?{asked}&json").status_code == 400


def test_a_page_beyond_the_last_is_the_last(client, tasks):
    assert "278474" in text_of(client, "/tasks/mc2016_gen?page=999")


# A run


def test_the_page_of_a_run_shows_chunks_merges_checks_files_and_history(client, lossy):
    text = text_of(client, "/tasks/mc2016_reco/runs/278473")
    for words in (
        "mDST 0 <small>of chunks 1-3",
        "mcr00001-278473",
        "mDST-278473-1-7.root",
        "269 are missing",
        "4 files",
    ):
        assert words in text
    found = client.get("/tasks/mc2016_reco/runs/278473?json").json()["data"]
    assert next((one["chunk"], one["state"], len(one["outputs"])) for one in found["chunks"]) == (1, "finished", 4)
    assert found["merges"][0]["chunks"] == "1-3"
    assert found["moves"][0]["what"].startswith("run 278473 ")


def test_only_what_is_counted_can_differ(client, lossy):
    assert text_of(client, "/tasks/mc2016_reco/runs/278474").count('class="differs"') == 0
    assert text_of(client, "/tasks/mc2016_reco/runs/278473").count('class="differs"') == 1


def test_a_task_that_is_archived_has_its_logs_as_a_step(client, lossy):
    type(lossy).objects.filter(pk=lossy.pk).update(state="archiving")
    steps = client.get("/tasks/mc2016_reco?json").json()["data"]["steps"]
    assert [(one["step"], one["label"], one["total"]) for one in steps][-1] == ("merge_logs", "logs", 2)


def test_chunks_of_one_state_are_shown(client, tasks):
    Chunk.objects.filter(task=tasks[0], number=2).update(state="failed", words=HOSTILE)
    found = client.get("/tasks/mc2016_gen/runs/278473?json&show=failed").json()["data"]
    assert [one["chunk"] for one in found["chunks"]] == [2]
    assert found["counts"] == {"staged": 2, "failed": 1}
    assert "No chunk is sent" in text_of(client, "/tasks/mc2016_gen/runs/278473?show=sent")


def test_what_jobs_say_is_shown_and_never_run(client, lossy):
    MergeGroup.objects.update(words=HOSTILE, state="failed")
    Chunk.objects.update(words=HOSTILE, state="failed")
    CrossCheck.objects.update(words=HOSTILE)
    for address in ("?run=278473&step=crosscheck", "?run=278473&step=reconstruction", "/runs/278473"):
        text = text_of(client, f"/tasks/mc2016_reco{address}")
        assert "<script>alert" not in text
        assert "<img" not in text.replace('<img src="/static', "")
        assert "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize("number", [1, 2**31, 10**30])
def test_a_run_that_is_not_there_is_404(client, tasks, number):
    assert "There is no run" in text_of(client, f"/tasks/mc2016_gen/runs/{number}", 404)
    assert client.get(f"/tasks/mc2016_gen/runs/{number}?json").status_code == 404


def test_pages_of_large_tasks_ask_as_much_as_those_of_small_ones(client, queue):
    counts: dict[str, set[int]] = {}
    for runs, chunks in ((3, 3), (8, 30)):
        task = define_data(runs=runs, chunks=chunks, name=f"data{runs}")
        Chunk.objects.filter(task=task).update(state="failed", words="x")
        for address in ("", "?run=278473&step=reconstruction", "/runs/278473", "/groups"):
            counts.setdefault(address, set()).add(questions(client, f"/tasks/{task.name}{address}"))
    assert all(len(found) == 1 for found in counts.values()), counts


# Merge groups


def test_merges_are_shown_by_kind_state_and_run(client, lossy):
    text = text_of(client, "/tasks/mc2016_reco/groups")
    assert "mDST-278473" not in text
    assert text.count('<td class="whole">') == 4
    found = client.get("/tasks/mc2016_reco/groups?json&kind=mdst&state=manual_check").json()["data"]
    assert [(one["run"], one["kind"], one["events"]) for one in found["groups"]] == [
        (278473, "mdst", {"expected": 270, "found": 1})
    ]
    assert found["counts"]["mdst"] == {"finished": 1, "manual_check": 1}
    assert len(client.get("/tasks/mc2016_reco/groups?json&run=278474").json()["data"]["groups"]) == 3
    assert "There are no such merges" in text_of(client, "/tasks/mc2016_reco/groups?run=1")
    assert "kind: &#x27;x&#x27; is none of" in text_of(client, "/tasks/mc2016_reco/groups?kind=x", 400)


def test_merges_that_are_chosen_are_made_again_after_a_preview(client, lossy, manager):
    key = MergeGroup.objects.get(run__number=278473, kind="mdst").pk
    assert f'name="groups" value="{key}"' in text_of(client, "/tasks/mc2016_reco/groups?kind=mdst")
    text = text_of(client, f"/tasks/mc2016_reco/resend?what=merging&groups=0&groups={key}")
    assert "merging: 1 chosen" in text
    answer = client.post("/tasks/mc2016_reco/resend", {"what": "merging", "groups": f"0,{key}", "why": "lost events"})
    assert answer.status_code == 302
    assert set(MergeGroup.objects.filter(state="ready").values_list("pk", flat=True)) == {key}
    assert "nothing of task" in text_of(client, "/tasks/mc2016_reco/resend?what=merging&groups=0")


def test_merges_that_are_not_planned_yet_are_told_so(client, tasks):
    assert "None yet: files are merged when" in text_of(client, "/tasks/mc2016_reco/groups")


# What people do there


def settle(client, **fields):
    return client.post("/tasks/mc2016_reco/runs/278473/checks/mdst", fields)


def test_a_manager_accepts_a_difference_with_a_reason(client, lossy, manager):
    assert 'action="/tasks/mc2016_reco/runs/278473/checks/mdst"' in text_of(client, "/tasks/mc2016_reco/runs/278473")
    answer = settle(client, act="accept", why="a spill was cut by hand")
    assert (answer.status_code, answer.url) == (302, "/tasks/mc2016_reco/runs/278473#checks")
    assert CrossCheck.objects.get(run__number=278473, kind="mdst").verdict == "accepted"
    event = TaskEvent.objects.filter(after="accepted").get()
    assert (event.by, event.words) == ("manager", "events in mDSTs: a spill was cut by hand")


def test_a_manager_has_it_checked_again(client, lossy, manager):
    group = MergeGroup.objects.get(run__number=278473, kind="mdst")
    MergeGroup.objects.filter(pk=group.pk).update(events_found=270)
    assert settle(client, act="again").status_code == 302
    assert CrossCheck.objects.get(run__number=278473, kind="mdst").verdict == "yes"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"act": "accept"}, "why: give a reason"),
        ({"act": "accept", "why": "x" * 401}, "why: give a reason of 1 to 400"),
        ({"act": "burn"}, "&#x27;burn&#x27; is neither accept nor again"),
    ],
)
def test_what_cannot_be_done_says_why_and_leads_back(client, lossy, manager, fields, words):
    answer = settle(client, **fields)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert CrossCheck.objects.get(run__number=278473, kind="mdst").verdict == "manual_check"


def test_others_are_sent_to_log_in_or_may_only_look(client, lossy, django_user_model):
    assert settle(client, act="accept", why="x").url.startswith("/login?next=")
    client.force_login(reader("shift"))
    answer = settle(client, act="accept", why="x")
    assert answer.status_code == 403
    assert "shift may only look" in answer.content.decode()
    assert client.get("/tasks/mc2016_reco/runs/278473/checks/mdst").status_code == 405
    assert CrossCheck.objects.get(run__number=278473, kind="mdst").verdict == "manual_check"
