"""A production that is ended early: nothing new starts, what runs still ends; and it may go on later."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from django.utils import timezone

from pilot.contract.states import JobState
from server.production import logic
from server.production.models import Chunk, MergeGroup, Task
from server.production.panda_words import status_of
from server.production.resend.wishes import What, Wish
from server.production.steps import collect
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.models import Job
from tests.server.production.conftest import reload, turn, work


def states(task):
    return Counter(Chunk.objects.filter(task=task).values_list("state", flat=True))


def test_a_production_that_is_finished_softly_waits_for_its_running_jobs_only(tasks, pilot):
    generation, _ = tasks
    turn()
    running = pilot.claim()
    pilot.report(running, JobState.RUNNING)
    logic.finish_task(generation.name, by="manager", soft=True)
    turn()
    assert (states(generation), status_of(reload(generation))) == ({"running": 1, "cancelled": 5}, "finishing")
    assert pilot.run() == 0
    pilot.end(running)
    turn()
    assert (states(generation), status_of(reload(generation))) == ({"finished": 1, "cancelled": 5}, "finished")


def test_a_finished_production_goes_on_where_it_was_left(tasks, pilot):
    turn()
    pilot.run(most=3)
    turn()
    for task in tasks:
        logic.finish_task(task.name, by="manager", soft=False)
    turn()
    for task in tasks:
        if reload(task).state == "finished":
            logic.move_task(task.name, "resend_failed", by="manager")
    work(pilot)
    assert {reload(task).state for task in tasks} == {"done"}
    assert not MergeGroup.objects.exclude(state="finished").exists()


def test_a_part_of_it_that_is_made_again_ends_it_again_by_itself(tasks, pilot):
    generation, _ = tasks
    turn()
    pilot.run(most=1)
    turn()
    for task in tasks:
        logic.finish_task(task.name, by="manager", soft=False)
    work(pilot)
    assert status_of(reload(generation)) == "finished"
    again = Chunk.objects.filter(task=generation, state="finished").first()
    wish = Wish(What.CHUNKS, again.run.number, again.number)
    logic.resend_task(generation.name, wish, by="manager", why="its disk was bad")
    turn()
    assert reload(generation).state == "running"
    work(pilot)
    assert (states(generation), status_of(reload(generation))) == ({"finished": 1, "cancelled": 5}, "finished")
    assert reload(generation).finished is not None


def test_a_part_of_it_that_fails_again_waits_for_its_next_try_before_it_ends(tasks, pilot):
    generation, _ = tasks
    turn()
    pilot.run(most=1)
    turn()
    for task in tasks:
        logic.finish_task(task.name, by="manager", soft=False)
    work(pilot)
    chunk = Chunk.objects.filter(task=generation, state="finished").first()
    wish = Wish(What.CHUNKS, chunk.run.number, chunk.number)
    logic.resend_task(generation.name, wish, by="manager", why="its disk was bad")
    Chunk.objects.filter(pk=chunk.pk).update(state="failed", due=timezone.now() + timedelta(days=1), attempts=1)
    Task.objects.filter(pk=generation.pk).update(state="running")
    turn()
    assert reload(generation).state == "running"
    Chunk.objects.filter(pk=chunk.pk).update(due=None)
    turn()
    assert reload(generation).state == "finished"


def test_a_production_that_is_taken_up_as_a_whole_waits_for_persons_and_ends_early_again_when_that_is_undone(tasks):
    generation, _ = tasks
    turn()
    logic.finish_task(generation.name, by="manager", soft=False)
    turn()
    assert (reload(generation).state, reload(generation).ends_early) == ("finished", True)
    record = logic.resend_task(generation.name, Wish(What.FAILED), by="manager", why="all of it is wanted")
    assert not reload(generation).ends_early
    logic.undo_resend(record.pk, by="manager")
    assert (reload(generation).state, reload(generation).ends_early) == ("finished", True)
    logic.resend_task(generation.name, Wish(What.FAILED), by="manager", why="all of it is wanted")
    Chunk.objects.filter(task=generation).update(state="manual_check", job_id=None)
    Task.objects.filter(pk=generation.pk).update(state="running")
    turn()
    assert reload(generation).state == "running"


def test_a_job_whose_pilot_was_lost_while_its_task_is_finishing_does_not_run_again(tasks, pilot):
    generation, _ = tasks
    turn()
    running = pilot.claim()
    logic.finish_task(generation.name, by="manager", soft=True)
    turn()
    later = timezone.now() + timedelta(days=1)
    taskbuffer.reap_lost(by="watchdog", now=later)
    assert Job.objects.get(pk=running.id).state == "activated"
    turn()
    turn()
    assert (Job.objects.get(pk=running.id).state, status_of(reload(generation))) == ("closed", "failed")


def test_a_production_that_was_finished_with_everything_made_is_done(tasks, pilot):
    generation, _ = tasks
    turn()
    while job := pilot.claim():
        pilot.end(job)
    logic.finish_task(generation.name, by="manager", soft=True)
    turn(times=2)
    assert reload(generation).state == "done"


def test_what_was_left_open_of_a_task_that_is_over_is_found_and_ended(tasks, pilot):
    generation, child = tasks
    turn()
    running = pilot.claim()
    pilot.report(running, JobState.RUNNING)
    # As if each had been moved at the very moment in which its task was stopped.
    Task.objects.filter(pk=generation.pk).update(state="cancelled")
    Task.objects.filter(pk=child.pk).update(state="finished")
    assert collect.sweep() == 12
    assert (states(generation), states(child)) == ({"cancelled": 6}, {"cancelled": 6})
    assert pilot.run() == 0
    assert collect.sweep() == 0
