"""What messages do to a conductor: it asks at once when it is called, and ends what a task's message names."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.control import news
from pilot.control.lifecycle import Event
from pilot.job import Phase, Problem
from tests.pilot.control.simulation import SITE, World

KILL = Problem(ErrorCode.KILLED_BY_SERVER, "a message wants task 3 ended")


class Scene:
    def __init__(self, folder, **limits):
        self.world = World(0, folder / "journal", jobs=0, called_wait=600.0, called_requests=7, **limits)
        self.conductor = self.world.conductor
        self.conductor.begin()

    def asked(self):
        """Take the requests for work that have gone out."""
        found = [item for item in self.world.work if isinstance(item, news.Ask)]
        self.world.work.clear()
        return found

    def offer(self, ask, *specs):
        self.conductor.handle(news.Offer(ask.request_id, SITE, specs))

    def say(self, *items):
        for item in items:
            self.conductor.handle(item)

    def pass_time(self, seconds):
        """Let time pass, with everything that falls due meanwhile."""
        until = self.world.now + seconds
        timers = self.conductor._timers
        while (at := timers.next()) is not None and at <= until:
            self.world.now = max(self.world.now, at)
            self.conductor.handle(timers.due(self.world.now))
        self.world.now = until


def spec(id, task_id):
    return JobSpec(id=id, attempt=1, transformation="true", task_id=task_id)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_a_called_pilot_asks_at_once_and_says_why(scene):
    scene.say(news.Listening(True))
    (first,) = scene.asked()
    scene.offer(first)
    scene.pass_time(300)
    assert (first.called, scene.asked()) == (False, [])
    scene.say(news.Called())
    (called,) = scene.asked()
    assert called.called
    scene.offer(called)
    scene.pass_time(200)
    assert scene.asked() == []


def test_a_call_while_it_asks_already_is_followed_by_one_more_request(scene):
    (first,) = scene.asked()
    scene.say(news.Called(), news.Called())
    assert scene.asked() == []
    scene.offer(first)
    (second,) = scene.asked()
    assert second.called
    scene.offer(second)
    assert scene.asked() == []


def test_however_often_it_is_called_a_pilot_asks_once_a_second(scene):
    scene.say(news.Listening(True))
    requests, began = 0, scene.world.now
    while scene.world.now < began + 10:
        scene.say(news.Called())
        for ask in scene.asked():
            requests += 1
            scene.offer(ask)
        scene.pass_time(0.05)
    assert 9 <= requests <= 12


def test_calls_do_not_press_a_server_that_does_not_answer(scene):
    scene.say(news.Listening(True))
    assert len(scene.asked()) == 1
    scene.say(news.NoOffer(Problem(ErrorCode.COMMUNICATION_FAILURE, "no answer")))
    for _ in range(5):
        scene.say(news.Called())
    assert scene.asked() == []
    scene.pass_time(100)
    (again,) = scene.asked()
    assert again.called


def test_a_called_pilot_without_room_asks_when_there_is_some(scene):
    scene.say(news.Listening(True))
    (first,) = scene.asked()
    scene.offer(first, spec(7, 3))
    scene.world.work.clear()
    scene.say(news.Called())
    assert scene.asked() == []
    assert not scene.world.ends


def test_while_it_listens_a_pilot_waits_longer_and_then_leaves(scene):
    scene.say(news.Listening(True))
    requests = 0
    while not scene.world.ends:
        for ask in scene.asked():
            requests += 1
            scene.offer(ask)
        scene.pass_time(10)
        scene.say(*([scene.world.inbox.get()] if not scene.world.inbox.empty() else []))
        assert scene.world.now < 10_000
    assert requests == 7
    assert scene.world.now > 3000
    assert scene.conductor.problems[0].code is ErrorCode.NO_JOBS


def test_when_messages_come_no_more_it_asks_and_leaves_as_ever(scene):
    scene.say(news.Listening(True))
    for _ in range(4):
        for ask in scene.asked():
            scene.offer(ask)
        scene.pass_time(950)
    scene.say(news.Listening(False))
    began = scene.world.now
    while not scene.world.ends:
        for ask in scene.asked():
            scene.offer(ask)
        scene.pass_time(10)
        scene.say(*([scene.world.inbox.get()] if not scene.world.inbox.empty() else []))
    assert scene.world.now - began < 300


@pytest.mark.parametrize(("job_id", "ended"), [(None, {7, 8}), (8, {8}), (9, set()), (5, set())])
def test_a_tasks_message_ends_its_jobs_and_no_others(tmp_path, job_id, ended):
    scene = Scene(tmp_path, at_once=3)
    (first,) = scene.asked()
    scene.offer(first, spec(7, 3), spec(8, 3), spec(9, 4))
    scene.say(news.TaskOrder(3, job_id, Event.KILL, KILL))
    stopping = {slot.job.spec.id for slot in scene.conductor.jobs.values() if slot.job.phase is Phase.STOPPING}
    assert stopping == ended
    assert all(slot.job.problem in (None, KILL) for slot in scene.conductor.jobs.values())


def test_a_pilot_that_has_to_go_is_not_called_any_more(scene):
    scene.say(news.Shutdown(KILL, 60.0), news.Called(), news.Listening(True))
    assert len(scene.asked()) == 1  # that of the beginning
