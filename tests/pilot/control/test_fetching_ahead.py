"""Jobs whose inputs are brought while others run."""

from __future__ import annotations

import json

import pytest

from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.control import news
from pilot.control.ledger import Ahead
from pilot.control.lifecycle import Effect, Event
from pilot.control.news import Order
from pilot.job import Phase
from tests.pilot.control.test_conductor import KILL, Scene


def two(tmp_path, *sizes, ahead=1, **more):
    """One job that runs, and further ones with inputs of these sizes."""
    scene = Scene(tmp_path, ahead=Ahead(ahead, 100), **more)
    scene.conductor.begin()
    scene.offer(JobSpec(1, 1, "true"))
    scene.answer(Event.INPUT_READY, id=1)
    for number, size in enumerate(sizes, start=2):
        file = FileSpec("in", Role.INPUT, size=size)
        scene.offer(JobSpec(number, 1, "true", inputs=(file,)))
    return scene


def effects(scene, number):
    return [item.effect for item in scene.work if isinstance(item, news.Work) and item.key == (number, 1)]


def test_while_a_job_runs_another_one_is_asked_for_and_its_inputs_come(tmp_path):
    scene = two(tmp_path, 50)
    assert effects(scene, 2) == [Effect.REPORT, Effect.STAGE_IN]
    assert scene.job(2).phase is Phase.STAGING_IN
    scene.answer(Event.INPUT_READY, id=2)
    assert scene.job(2).phase is Phase.READY
    assert Effect.RUN_PAYLOAD not in effects(scene, 2)
    assert not [item for item in scene.work if isinstance(item, news.Ask)]


def test_its_payload_begins_as_soon_as_the_other_job_has_ended(tmp_path):
    scene = two(tmp_path, 50)
    scene.answer(Event.INPUT_READY, id=2)
    for event in (Event.PAYLOAD_OK, Event.OUTPUT_STORED, Event.LOG_STORED, Event.TAKEN):
        scene.answer(event, id=1)
    assert effects(scene, 2)[-2:] == [Effect.REPORT, Effect.RUN_PAYLOAD]
    assert scene.job(2).phase is Phase.RUNNING


def test_inputs_that_are_on_their_way_when_the_cores_are_free_lead_to_the_payload_at_once(tmp_path):
    scene = two(tmp_path, 50)
    for event in (Event.PAYLOAD_OK, Event.OUTPUT_STORED, Event.LOG_STORED, Event.TAKEN):
        scene.answer(event, id=1)
    assert scene.job(2).phase is Phase.STAGING_IN
    scene.answer(Event.INPUT_READY, id=2)
    assert scene.job(2).phase is Phase.RUNNING
    assert effects(scene, 2).count(Effect.STAGE_IN) == 1


@pytest.mark.parametrize("size", [101, None])
def test_inputs_that_are_too_large_or_of_unknown_size_wait_for_their_turn(tmp_path, size):
    scene = two(tmp_path, size)
    assert scene.job(2).phase is Phase.ACCEPTED


def test_inputs_that_are_on_their_way_have_their_room_though_it_is_not_taken_yet(tmp_path):
    scene = two(tmp_path, 40, 30, ahead=2, free=lambda: 60)
    assert scene.job(2).phase is Phase.STAGING_IN
    assert scene.job(3).phase is Phase.ACCEPTED
    scene.answer(Event.INPUT_READY, id=2)
    assert scene.job(3).phase is Phase.STAGING_IN


def test_nothing_is_asked_for_that_could_begin_only_when_the_pilot_has_to_go(tmp_path):
    for limit, asked in ((100, 1), (900, 0)):
        (tmp_path / str(limit)).mkdir()
        scene = Scene(tmp_path / str(limit), ahead=Ahead(1, 100), work_until=500.0)
        scene.conductor.begin()
        scene.offer(JobSpec(1, 1, "true", max_walltime=limit))
        assert len([item for item in scene.work if isinstance(item, news.Ask)]) == asked


@pytest.mark.parametrize("event", [Event.KILL, Event.SHUTDOWN, Event.LEASE_LOST])
def test_a_job_that_waits_with_its_inputs_is_ended_with_its_log(tmp_path, event):
    scene = two(tmp_path, 50)
    scene.answer(Event.INPUT_READY, id=2)
    scene.conductor.handle(Order((2, 1), event, KILL))
    assert scene.job(2).phase is Phase.STAGING_LOG
    assert effects(scene, 2)[-1] is Effect.STAGE_LOG
    assert scene.job(1).phase is Phase.RUNNING


def test_a_job_that_waits_has_its_heartbeats(tmp_path):
    scene = two(tmp_path, 50)
    scene.answer(Event.INPUT_READY, id=2)
    scene.work.clear()
    scene.world.now += 7200
    while (due := scene.conductor._timers.due(scene.world.now)) is not None:
        scene.conductor.handle(due)
    reports = [item.report for item in scene.work if isinstance(item, news.Work) and item.key == (2, 1) and item.report]
    said = json.loads(reports[0].text)
    assert (said["job_status"], said["job_sub_status"]) == ("starting", "ready")
