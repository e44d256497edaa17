"""The list of tasks: which are chosen, what moved, why one is stuck, and what that costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.production.models import Chunk, CrossCheck, MergeGroup, Output, Run, TaskEvent
from tests.server.monitor.test_production_views import questions, text_of
from tests.server.production.conftest import define_data

pytestmark = pytest.mark.usefixtures("open_pages")


def listed(client, asked=""):
    return {one["name"]: one for one in client.get(f"/tasks?json&{asked}").json()["data"]["tasks"]}


def test_without_tasks_it_says_how_to_define_one(client, db):
    assert "compass task create" in text_of(client, "/tasks")
    assert "There are no such tasks" in text_of(client, "/tasks?search=x")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", ["dvcs", "dy"]),
        ("search=DY", ["dy"]),
        ("search=2015t4", ["dy"]),
        ("state=paused", ["dy"]),
        ("show=open&type=mass_production", ["dvcs", "dy"]),
        ("show=over", []),
        ("year=2016&period=P07", ["dvcs", "dy"]),
        ("queue=OTHER", ["dy"]),
        ("production=dvcs2016P07t1&owner=manager", ["dvcs"]),
    ],
)
def test_tasks_are_chosen(client, queue, asked, names):
    define_data(name="dvcs")
    dy = define_data(name="dy", production="dy2015t4", queue="OTHER")
    type(dy).objects.filter(pk=dy.pk).update(state="paused")
    assert sorted(listed(client, asked)) == names
    text_of(client, f"/tasks?{asked}")


@pytest.mark.parametrize("asked", ["state=x", "type=x", "show=x", "year=MMXV", "page=0x1", "colour=red"])
def test_what_cannot_be_asked_is_refused(client, db, asked):
    assert asked.partition("=")[0] + ":" in text_of(client, f"/tasks?{asked}", 400)


def test_a_task_that_somebody_has_paused_is_not_stuck(client, queue):
    task = define_data(runs=1)
    type(task).objects.filter(pk=task.pk).update(state="paused")
    assert client.get("/production?json").json()["data"]["stuck"] == []
    assert ">stuck<" not in text_of(client, "/tasks")


def test_a_task_that_does_not_go_on_says_why(client, queue):
    task, now = define_data(runs=1), timezone.now()
    run = Run.objects.get(task=task)
    chunks = list(Chunk.objects.filter(task=task).order_by("number"))
    Chunk.objects.filter(pk=chunks[0].pk).update(state="failed", attempts=5, words="<b>bad</b>")
    Chunk.objects.filter(pk=chunks[1].pk).update(state="manual_check")
    Chunk.objects.filter(pk=chunks[2].pk).update(state="staging", updated=now - timedelta(hours=25))
    group = MergeGroup.objects.create(task=task, run=run, kind="mdst", number=0, state="manual_check")
    CrossCheck.objects.create(task=task, run=run, kind="mdst", verdict="manual_check", at=now)
    place = {"task": task, "run": run, "group": group, "kind": "merged_mdst", "dataset": "d", "size": 1}
    Output.objects.create(**place, lfn="a", tape="failed")
    Output.objects.create(**place, lfn="b", tape="sent", tape_since=now - timedelta(days=2))
    assert listed(client)["data"]["stuck"] == [
        "1 chunks wait for a person to look at them",
        "1 chunks have failed for the last time",
        "1 merges wait for a person to look at them",
        "1 cross-checks found a difference: accept it, or merge again",
        "1 chunks wait for tape since more than a day",
        "1 files have not come to tape",
        "1 files are on their way to tape since more than a day",
    ]
    assert '<span class="pill failed">stuck</span>' in text_of(client, "/tasks")


def test_what_moved_in_a_day_is_counted(client, queue):
    task = define_data(runs=1)
    chunk = Chunk.objects.filter(task=task).first()
    for hours in (1, 2, 30):
        at = timezone.now() - timedelta(hours=hours)
        TaskEvent.objects.create(task=task, chunk=chunk, before="running", after="finished", by="x", at=at)
    assert listed(client)["data"]["moved"] == {"finished": 2}
    assert "in the last 24 h: 2 finished" in text_of(client, "/tasks")


def test_pages_of_tasks_ask_the_same_however_many_there_are(client, queue):
    counts = set()
    for number in (2, 10):
        for one in range(number):
            define_data(runs=1, chunks=1, name=f"data{number}_{one}")
        counts.add(questions(client, "/tasks"))
    assert len(counts) == 1


def test_tasks_come_in_pages_newest_first(client, queue):
    for number in range(30):
        define_data(runs=0, name=f"data{number:02}")
    found = client.get("/tasks?json&page=2").json()["data"]
    assert (found["total"], found["page"], found["pages"]) == (30, 2, 2)
    assert [one["name"] for one in found["tasks"]] == [f"data{number:02}" for number in (4, 3, 2, 1, 0)]
    assert "page 1 of 2, 30 tasks" in text_of(client, "/tasks")
