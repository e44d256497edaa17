"""A worker remembers how far it has come in a bucket, for a second."""

from __future__ import annotations

import pytest

from server.taskbuffer.hot.places import LOOK_FROM_TOP, TOP, Places


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def places(clock):
    return Places(lambda: clock[0])


def test_a_look_goes_on_where_the_last_job_was_taken(places):
    assert places.start(1) == TOP
    places.took(1, 50)
    assert (places.start(1), places.start(2)) == (50, TOP)


def test_after_a_second_a_bucket_is_looked_into_from_the_top(places, clock):
    places.start(1)
    places.took(1, 50)
    clock[0] += LOOK_FROM_TOP
    assert places.start(1) == TOP
    places.took(1, 40)
    assert places.start(1) == 40


def test_a_job_that_this_worker_queues_before_the_others_is_seen_at_once(places):
    places.start(1)
    places.took(1, 50)
    places.put(1, 60)
    assert places.start(1) == 50
    places.put(1, -7)
    places.put(2, -7)
    assert (places.start(1), places.start(2)) == (-7, TOP)


def test_what_is_forgotten_is_looked_into_from_the_top(places):
    places.start(1)
    places.took(1, 50)
    places.forget()
    assert places.start(1) == TOP
