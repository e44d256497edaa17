from __future__ import annotations

import itertools

import pytest

from pilot.contract.events import EventRange
from pilot.eventservice.ranges import ENDED, TABLE, Held, IllegalMove, Move, State, advance

RANGE = EventRange("a")


@pytest.mark.parametrize(("state", "move"), list(itertools.product(State, Move)))
def test_each_move_has_a_row_or_is_refused_and_changes_nothing(state, move):
    held = Held(RANGE, state)
    if (state, move) in TABLE:
        assert advance(held, move).state is TABLE[state, move]
    else:
        with pytest.raises(IllegalMove, match=f"{move.value}.*{state.value}"):
            advance(held, move)


def test_nothing_happens_to_what_has_ended():
    assert {state for state, _ in TABLE}.isdisjoint(ENDED)
    assert set(State) - ENDED == {state for state, _ in TABLE}


def test_every_range_can_come_to_an_end_by_itself():
    reached = {State.READY}
    for _ in State:
        reached |= {after for (before, _), after in TABLE.items() if before in reached}
    assert reached == set(State)


def test_what_is_stored_is_never_left():
    assert (State.STORED, Move.LEAVE) not in TABLE
    assert (State.FAILED, Move.LEAVE) not in TABLE


def test_a_range_is_reported_finished_only_after_it_was_stored():
    assert {before for (before, move), after in TABLE.items() if after is State.REPORTED} == {State.STORED}
