"""What the simulated robot must not forget."""

from __future__ import annotations

import time

import pytest

from server.storage.simulator.state import ACTIVE, FAILED, ON_DISK, QUEUED, Recall, State


@pytest.fixture
def state(tmp_path):
    made = State(tmp_path / "robot.db")
    yield made
    made.close()


def recall(request="r", path="/a", state=QUEUED, asked=1.0, lifetime=100.0, until=0.0):
    return Recall(request, path, state, "", asked, lifetime, until)


def states(state, path="/a"):
    return [one.state for one in state.of_path(path)]


def test_what_is_asked_for_twice_by_one_request_is_noted_once(state):
    state.add([recall(), recall(asked=2.0)])
    assert [one.asked for one in state.of_path("/a")] == [1.0]


def test_the_queue_is_in_the_order_of_asking(state):
    state.add([recall(path="/b", asked=2.0), recall(path="/a", asked=3.0), recall(path="/c", state=FAILED)])
    assert [one.path for one in state.queued()] == ["/b", "/a"]


def test_one_reading_serves_all_who_wait_and_begins_their_pins(state):
    state.add([recall("r"), recall("s", lifetime=50.0)])
    state.move("/a", QUEUED, ACTIVE)
    state.add([recall("late")])
    state.move("/a", ACTIVE, ON_DISK)
    assert sorted(states(state)) == [ON_DISK, ON_DISK, QUEUED]
    assert time.time() + 40 < state.next_end() <= time.time() + 50


def test_what_a_dead_robot_was_reading_is_queued_again(state):
    state.add([recall(state=ACTIVE)])
    state.begin_again()
    assert states(state) == [QUEUED]


def test_a_file_leaves_the_disk_when_its_last_pin_has_ended(state):
    state.add([recall("r", state=ON_DISK, until=10.0), recall("s", state=ON_DISK, until=20.0)])
    state.add([recall("f", state=FAILED)])
    gone = []
    state.expire(15.0, gone.append)
    assert gone == []
    state.expire(25.0, gone.append)
    assert gone == ["/a"]
    assert states(state) == [FAILED]


def test_letting_go_ends_one_pin_and_the_robots_own(state):
    state.keep("/a", 1000.0)
    state.add([recall("r", state=ON_DISK, until=5e9), recall("s", state=ON_DISK, until=6e9)])
    state.unpin(["/a"])
    assert sorted(one.until for one in state.of_path("/a")) == [0.0, 0.0, 6e9]


def test_a_request_is_cancelled_as_far_as_it_still_waits(state):
    state.add([recall(path="/a"), recall(path="/b"), recall(path="/c", state=ON_DISK, until=5e9), recall("other")])
    state.cancel("r", ["/a"])
    assert states(state, "/a") == [QUEUED]  # the other request's
    state.cancel("r", [])
    assert (states(state, "/b"), states(state, "/c")) == ([], [ON_DISK])


def test_tries_are_counted_for_each_file(state):
    assert [state.count_try("/a"), state.count_try("/a"), state.count_try("/b")] == [0, 1, 0]


def test_drives_keep_their_cartridges_and_whether_they_are_down(state):
    assert (state.mounted(0), state.is_down(0)) == (None, False)
    state.mount(0, 7)
    state.put_down(0, True)
    assert (state.mounted(0), state.is_down(0)) == (7, True)
    assert (state.mounted(1), state.is_down(1)) == (None, False)
