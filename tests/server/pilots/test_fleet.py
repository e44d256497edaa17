"""All pilots read at once: counted by queue and system, and by what the factory has to do about them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.pilots import fleet, queries
from server.pilots.fleet import Fleet
from tests.server.pilots.test_logic import NOW, at, make

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]


def test_pilots_are_counted_by_what_they_mean_for_a_queue(django_assert_num_queries):
    make(0, state="submitted")
    make(1, state="queued", nodes=2, cores=16)
    make(2, state="held", cancelled_at=at(1))
    make(3, state="running", started_at=at(0))
    make(4, state="running", started_at=at(10), cores=8)
    make(5, state="running", started_at=at(10), jobs=1)
    make(6, state="done")
    make(7, state="queued", queue="OTHER", batch_system="far")
    with django_assert_num_queries(2):
        found = fleet.fleets(started_after=at(5))
    assert found.queues["Q"] == Fleet(waiting=3, running=3, retiring=1, jobless=1, nodes=7, on_the_way_cores=26)
    assert found.systems == {"local": 6, "far": 1}
    assert queries.counts_by_queue()["OTHER", "queued"] == 1
    assert fleet.homes() == {"local": {"Q"}, "far": {"OTHER"}}


def test_the_last_ends_come_latest_first_without_those_that_were_cancelled_or_never_taken():
    make(0, state="done", batch_id="0", exit_code=0, started_at=at(0), ended_at=at(5))
    make(1, state="lost", batch_id="1", ended_at=at(9))
    make(2, state="running", batch_id="2", started_at=at(0))
    make(3, state="done", batch_id="3", exit_code=143, ended_at=at(10), cancelled_at=at(8))
    make(4, state="lost", ended_at=at(11))
    assert [(end.exit_code, end.seconds) for end in fleet.last_ends("Q", 5)] == [(None, None), (0, 5.0)]
    assert len(fleet.last_ends("Q", 1)) == 1


def test_those_are_troubled_that_are_held_told_to_end_too_old_or_of_other_queues():
    day = timedelta(days=1)
    make(0, state="queued", batch_id="0")
    make(1, state="held", batch_id="1")
    make(2, state="running", batch_id="2", cancelled_at=NOW)
    make(3, state="queued", batch_id="3", submitted_at=NOW - 2 * day)
    make(4, state="running", batch_id="4", submitted_at=NOW - 2 * day)
    make(5, state="queued", batch_id="5", queue="GONE")
    make(6, state="submitted", submitted_at=NOW - 2 * day)
    found = fleet.troubled(submitted_before=NOW - day, not_of=["Q"])
    assert sorted(one.batch_id for one in found) == ["1", "2", "3", "5"]


def test_the_newest_that_wait_are_named_first():
    for number, state in enumerate(("queued", "running", "queued", "held", "queued")):
        make(number, state=state, batch_id=str(number), cancelled_at=NOW if number == 4 else None)
    assert [job for _, job in fleet.newest_waiting("Q", "local", 2)] == ["3", "2"]
    assert fleet.newest_waiting("Q", "far", 2) == []
