"""How large an allocation is, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.hpc.shaping import Room, Wanted, shape
from pilot.hpc.values import Wishes

ONE = Wanted()


@pytest.mark.parametrize(
    ("jobs", "nodes", "ranks_per_node"), [(1, 1, 1), (32, 1, 32), (33, 2, 17), (512, 16, 32), (9600, 300, 32)]
)
def test_there_are_as_many_nodes_as_the_jobs_need(jobs, nodes, ranks_per_node):
    found = shape([ONE] * jobs, Wishes()).shape
    assert (found.nodes, found.ranks, found.lines, found.ranks_per_node) == (nodes, jobs, jobs, ranks_per_node)
    assert found.wall_time == 64800.0


def test_what_does_not_fit_waits_or_takes_turns():
    made = shape([ONE] * 100, Wishes(most_nodes=2))
    assert (made.shape.nodes, made.shape.ranks, made.shape.lines) == (2, 64, 64)
    assert any("36 payloads wait" in reason for reason in made.reasons)
    made = shape([ONE] * 100, Wishes(most_nodes=2, turns=True))
    assert (made.shape.nodes, made.shape.ranks, made.shape.lines) == (2, 64, 100)
    assert any("2 turns" in reason for reason in made.reasons)


def test_the_payload_with_most_cores_says_how_many_fit_on_a_node():
    found = shape([Wanted(8), Wanted(4), ONE], Wishes()).shape
    assert (found.nodes, found.cores_per_rank, found.ranks_per_node) == (1, 8, 3)
    assert shape([Wanted(64)], Wishes()).shape.cores_per_rank == 32
    assert shape([ONE] * 4, Wishes(ranks_per_node=2)).shape.nodes == 2


@pytest.mark.parametrize(
    ("payloads", "wishes", "room", "seconds"),
    [
        ([Wanted(1, 100.0), Wanted(1, 300.0)], Wishes(), Room(), 360.0),
        ([Wanted(1, 100.0), ONE], Wishes(), Room(), 64800.0),
        ([Wanted(1, 1e6)], Wishes(), Room(), 64800.0),
        ([Wanted(1, 301.0)], Wishes(), Room(), 420.0),
        ([Wanted(1, 301.0)], Wishes(wall_time=410.0), Room(), 360.0),
        ([Wanted(1, 301.0)], Wishes(), Room(0, 400.0), 361.0),
        ([Wanted(1, 300.0)], Wishes(), Room(0, 200.0), 200.0),
        ([Wanted(1, 100.0)] * 3, Wishes(most_nodes=1, ranks_per_node=1, turns=True), Room(), 360.0),
    ],
)
def test_the_wall_time_is_that_of_the_longest_payload_with_a_reserve_within_what_there_is(
    payloads, wishes, room, seconds
):
    assert shape(payloads, wishes, room, 60.0).shape.wall_time == seconds


WISHES = st.builds(
    lambda cores, ranks, nodes, turns: Wishes(cores, ranks, nodes, turns=turns),
    st.integers(1, 64),
    st.integers(0, 64),
    st.integers(1, 8),
    st.booleans(),
)


@given(st.lists(st.tuples(st.integers(1, 64), st.floats(0, 1e5)), min_size=1, max_size=200), WISHES, st.integers(0, 10))
def test_every_allocation_holds_its_ranks_and_every_rank_has_work(payloads, wishes, nodes):
    found = shape([Wanted(*each) for each in payloads], wishes, Room(nodes)).shape
    assert 1 <= found.nodes <= min(wishes.most_nodes, nodes or wishes.most_nodes)
    assert -(-found.ranks // found.ranks_per_node) == found.nodes  # no node is empty, and none has too many
    assert found.ranks <= found.lines <= len(payloads)
    assert wishes.turns is False or found.lines == len(payloads)
    assert 0 < found.wall_time <= wishes.wall_time
