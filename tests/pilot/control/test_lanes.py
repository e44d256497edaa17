from __future__ import annotations

import queue
import threading

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.control.component import END, Budget
from pilot.control.lanes import Lane, Occupied
from pilot.control.lifecycle import Effect, Event
from pilot.control.news import Site, Work
from pilot.errors import JobFailed
from pilot.job import Job, Phase

SITE = Site(QueueData("Q"))


def work(step=1, effect=Effect.STAGE_IN, phase=Phase.STAGING_IN):
    return Work(Job(JobSpec(id=7, attempt=1, transformation="x"), phase=phase, step=step), effect, SITE)


def answers_of(do, *items):
    inbox, told = queue.Queue(), []
    for item in (*items, END):
        inbox.put(item)
    assert Lane("lane", inbox, Budget(10), told.append, do).run()
    return told


def test_an_error_with_a_code_fails_the_job_with_it():
    def do(_):
        raise JobFailed(ErrorCode.NO_LOCAL_SPACE, "full")

    (answer,) = answers_of(do, work(step=3))
    assert (answer.key, answer.step, answer.event) == ((7, 1), 3, Event.FAIL)
    assert (answer.problem.code, answer.problem.detail) == (ErrorCode.NO_LOCAL_SPACE, "full")


def test_any_other_error_is_a_fault_of_the_pilot():
    (answer,) = answers_of(lambda item: item.nonsense, work())
    assert answer.problem.code is ErrorCode.INTERNAL_ERROR
    assert "AttributeError" in answer.problem.detail


def test_nobody_waits_for_cleaning_so_nobody_is_told_that_it_broke():
    assert answers_of(lambda item: item.nonsense, work(effect=Effect.CLEAN)) == []


@pytest.fixture
def occupied():
    return Occupied()


def test_there_is_nothing_to_wait_for_when_nothing_was_begun(occupied):
    assert occupied.stop(work(), patience=5)


def test_a_stop_is_told_to_who_works_and_waits_for_the_end(occupied):
    begun = threading.Event()

    def copy():
        with occupied.doing(work(step=1)) as cancel:
            begun.set()
            assert cancel.wait(10)

    thread = threading.Thread(target=copy)
    thread.start()
    assert begun.wait(60)
    assert occupied.stop(work(step=2), patience=10)
    thread.join(60)
    assert not thread.is_alive()


def test_who_does_not_stop_is_not_waited_for_forever(occupied):
    with occupied.doing(work(step=1)):
        assert not occupied.stop(work(step=2), patience=0.05)


def test_work_that_a_stop_has_overtaken_is_told_when_it_begins(occupied):
    assert occupied.stop(work(step=2), patience=1)
    with occupied.doing(work(step=1)) as cancel:
        assert cancel
    with occupied.doing(work(step=3)) as cancel:
        assert not cancel


def test_a_way_to_stop_is_used_when_it_is_known_before_the_stop_and_when_after(occupied):
    stopped = []
    with occupied.doing(work(step=1)):
        occupied.stops_by((7, 1), lambda: stopped.append("asked later"))
        occupied.stop(work(step=2), patience=0)
    with occupied.doing(work(step=1)):
        occupied.stops_by((7, 1), lambda: stopped.append("asked before"))
    assert stopped == ["asked later", "asked before"]


def test_work_that_begins_when_its_job_has_ended_is_told_to_give_up(occupied):
    occupied.forget((7, 1))
    with occupied.doing(work(step=1)) as cancel:
        assert cancel


def test_work_that_outlives_its_job_may_end_later(occupied):
    with occupied.doing(work(step=1)):
        occupied.forget((7, 1))
    assert occupied.stop(work(step=2), patience=0)


def test_what_is_asked_to_end_has_its_own_time_and_hears_it_when_it_begins(occupied):
    asked, stopped = [], []
    item = work()
    with occupied.doing(item):
        occupied.stops_by(item.key, lambda: stopped.append(1), asked.append)
        occupied.ask(item.key, 120.0)
    with occupied.doing(item):  # what comes after it, for the same job
        occupied.stops_by(item.key, lambda: stopped.append(2), asked.append)
    assert (asked, stopped) == ([120.0, 120.0], [])


def test_who_has_to_stop_is_not_asked_to_end_any_more(occupied):
    asked, stopped = [], []
    item = work(step=1)
    occupied.ask(item.key, 120.0)
    occupied.stop(work(step=2), 0)
    with occupied.doing(item):
        occupied.stops_by(item.key, lambda: stopped.append(1), asked.append)
    assert (asked, stopped) == ([], [1])


def test_of_a_job_that_was_forgotten_nothing_is_remembered(occupied):
    occupied.ask((7, 1), 120.0)
    occupied.forget((7, 1))
    occupied.ask((7, 1), 60.0)
    asked = []
    with occupied.doing(work()):
        occupied.stops_by((7, 1), lambda: None, asked.append)
    assert asked == []
