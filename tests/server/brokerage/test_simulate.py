"""Brokerage without a server."""

from __future__ import annotations

import pytest

from server.brokerage.saved import BadWorld, World
from server.brokerage.simulate import Outcome, changed, compare, in_turn, made_up, run
from server.brokerage.snapshot import JobNeeds, Load
from tests.server.brokerage.worlds import POLICY, queue, snapshot

SMALL, LARGE = JobNeeds(), JobNeeds(cores=16)
LOADS = {"A": Load(slots=30), "B": Load(slots=10, queued=2)}
WORLD = World(snapshot(queue("A"), queue("B"), loads=LOADS), POLICY, ((SMALL, 38), (LARGE, 3)))


def test_jobs_come_mixed():
    assert list(in_turn(((SMALL, 3), (LARGE, 1)))) == [SMALL, LARGE, SMALL, SMALL]


def test_jobs_go_where_slots_are_free_and_what_nothing_takes_is_counted_by_its_reason():
    found = run(WORLD)
    assert found.placed == {"A": 30, "B": 8}
    ((words, count),) = found.refused.items()
    assert (count, found.jobs) == (3, 41)
    assert "-cpucore" in words


def test_a_queue_that_is_off_leaves_its_jobs_to_the_others():
    before, after = run(WORLD), run(changed(WORLD, ["A=off"]))
    lines = compare(WORLD, before, after)
    assert [(line.queue, line.slots, line.queued, line.before, line.after) for line in lines] == [
        ("B", 10, 2, 8, 38),
        ("A", 30, 0, 30, 0),
    ]


def test_a_queue_may_be_given_other_values():
    other = changed(WORLD, ["A.cores=16", "A.containers=true", "A.groups=exotic,!other", "B.pledged=-1"])
    found = other.snapshot.queues.facts
    assert (found["A"].cores, found["A"].containers, found["A"].groups) == (16, True, ("exotic", "!other"))
    assert found["B"].pledged == -1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("A", "give QUEUE=off"),
        ("C=off", "queues are A, B"),
        ("A=on", "give QUEUE=off"),
        ("A.corse=4", "corse is no field; did you mean cores"),
        ("A.cores=many", "'many' is of another kind than int"),
        ("A.cores=--3", "'--3' is of another kind than int"),
    ],
)
def test_a_change_that_cannot_be_meant_is_named(change, words):
    with pytest.raises(BadWorld, match=words):
        changed(WORLD, [change])


def test_the_same_seed_makes_the_same_world():
    assert made_up(5, 100, seed=3) == made_up(5, 100, seed=3) != made_up(5, 100, seed=4)


def test_every_job_of_a_made_up_world_is_placed_or_refused_once():
    world = made_up(7, 501)
    assert isinstance(run(world), Outcome)
    assert run(world).jobs == 501
