"""A task is changed on its way: what waits goes as the task is now, with a line of who and why."""

from __future__ import annotations

import pytest

from pilot.contract.queue import local_storage
from server.pandaconfig.logic import define_queue, define_storage
from server.production import logic
from server.production.definition import BadDefinition
from server.production.frames import tape_of
from server.production.logic import TaskRefused
from server.production.models import Chunk, Output, TaskEvent
from server.production.reference.models import Site
from server.production.steering import change_task
from server.production.steps import submit
from server.production.task_limits import limits_for
from server.taskbuffer.models import Job
from tests.server.production.conftest import reload, turn

NAME = "mc2016_gen"


def change(said, why="it is urgent"):
    return change_task(NAME, said, by="ada", why=why)


def test_queued_jobs_go_anew_with_the_new_priority_and_running_ones_go_on(tasks, pilot):
    submit.submit_chunks()
    held = pilot.claim()
    change({"priority": 3000})
    assert Chunk.objects.filter(task=tasks[0], state="staged", attempts=0).count() == 5
    assert Chunk.objects.get(job_id=held.id).state == "sent"
    submit.submit_chunks()
    assert Job.objects.filter(state="activated", priority=3000).count() == 5
    pilot.end(held)
    turn()
    assert Chunk.objects.get(job_id=held.id).state == "finished"


def test_the_change_is_told_with_who_and_why(tasks):
    change({"max_attempts": 9, "merging_priority": 6000})
    event = TaskEvent.objects.filter(task=tasks[0]).latest("pk")
    assert (event.before, event.after, event.by) == ("send", "send", "ada")
    assert event.words == "max_attempts 5 -> 9, merging_priority 5000 -> 6000: it is urgent"
    assert (reload(tasks[0]).max_attempts, tasks[0].merging_priority) == (9, 6000)


def test_another_queue_takes_what_waits(tasks):
    submit.submit_chunks()
    define_storage("OTHER_DISK", local_storage("OTHER_DISK", "/other"))
    storages = {name: ["OTHER_DISK"] for name in ("pr", "pw", "pl")}
    define_queue({"nickname": "OTHER", "status": "online", "astorages": storages})
    change({"queue": "OTHER"})
    submit.submit_chunks()
    assert set(Job.objects.filter(state="activated").values_list("queue", flat=True)) == {"OTHER"}


def test_another_site_brings_its_queue_and_its_tape(tasks):
    submit.submit_chunks()
    define_storage("TAPE", {**local_storage("TAPE", "/TAPE"), "is_tape": True})
    define_storage("OTHER_DISK", local_storage("OTHER_DISK", "/other"))
    storages = {name: ["OTHER_DISK"] for name in ("pr", "pw", "pl")}
    define_queue({"nickname": "OTHER", "status": "online", "astorages": storages})
    Site.objects.create(name="FAR", queue="OTHER", tape="TAPE", home="/sw/")
    change({"site": "FAR"})
    task = reload(tasks[0])
    assert (task.site.name, task.queue, task.home, tape_of(task)) == ("FAR", "OTHER", "/sw/", "TAPE")
    words = TaskEvent.objects.filter(task=task, chunk=None).latest("pk").words
    assert words.startswith("queue LOCAL -> OTHER, home ")
    assert "site none -> FAR: it is urgent" in words
    submit.submit_chunks()
    assert set(Job.objects.filter(state="activated").values_list("queue", flat=True)) == {"OTHER"}


def test_files_that_wait_go_to_another_tape_and_what_was_asked_for_stays(tasks, pilot):
    define_storage("TAPE", {**local_storage("TAPE", "/TAPE"), "is_tape": True})
    turn()
    pilot.run(3)
    turn()
    first, *_ = files = list(Output.objects.filter(kind="generated").order_by("pk"))
    Output.objects.filter(kind="generated").update(tape="ready", tape_attempts=2, tape_words="request 2 of 5 failed")
    Output.objects.filter(pk=first.pk).update(tape="sent")
    change({"tape": "TAPE"})
    said = Output.objects.filter(kind="generated").order_by("pk").values_list("tape", "tape_attempts")
    assert list(said) == [("sent", 2), *[("ready", 0)] * (len(files) - 1)]
    change({"tape": "-"})
    assert list(said.all()) == [("sent", 2), *[("", 0)] * (len(files) - 1)]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"priority": 0}, "priority"),
        ({"queue": "NOWHERE"}, "queue"),
        ({"name": "x"}, "name"),
        ({"queue": 5}, "queue"),
        ({"site": "NOWHERE"}, "site"),
        ({"tape": "NOWHERE"}, "tape"),
        ({"tape": "DISK"}, "tape"),
    ],
)
def test_values_that_cannot_be_are_told_by_field(tasks, said, field):
    with pytest.raises(BadDefinition) as bad:
        change(said)
    assert set(bad.value.slips) == {field}


@pytest.mark.parametrize(
    ("said", "why", "words"),
    [({"priority": 3000}, "", "give a reason"), ({"priority": 2000}, "x", "has these values"), ({}, "x", "priority")],
)
def test_a_change_of_nothing_or_without_a_reason_is_refused(tasks, said, why, words):
    with pytest.raises(TaskRefused, match=words):
        change(said, why)


def test_what_is_over_is_not_changed(tasks):
    logic.move_task(NAME, "cancelled", by="ada")
    with pytest.raises(TaskRefused, match="is cancelled; it cannot be changed"):
        change({"priority": 3000})


def test_a_task_that_is_being_ended_sends_nothing_anew(tasks, pilot):
    submit.submit_chunks()
    held = pilot.claim()
    logic.finish_task(NAME, by="ada", soft=True)
    with pytest.raises(TaskRefused, match="it cannot be changed any more"):
        change({"priority": 3000})
    assert Chunk.objects.get(job_id=held.id).state == "sent"


def test_a_task_gets_limits_of_its_own_on_its_way(tasks):
    task = change({"limits": {"probe_jobs": 3}})
    assert limits_for(task).probe_jobs == 3
    assert "limits none -> probe_jobs 3: it is urgent" in TaskEvent.objects.filter(task=task).first().words
    assert submit.submit_chunks() == 3
    assert change({"limits": {}}).limits == {}


@pytest.mark.parametrize("said", [{"max_attempts": 3}, {"probe_job": 3}, {"probe_jobs": True}, [], "x", 7])
def test_limits_that_no_task_can_have_are_refused(tasks, said):
    with pytest.raises(BadDefinition) as bad:
        change({"limits": said})
    assert set(bad.value.slips) == {"limits"}
