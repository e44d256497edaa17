"""The task buffer's small tables."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilot.contract.states import FINAL, MOVES, JobState
from server.taskbuffer.states import HIGHEST_PRIORITY, KILLS, MAY_BE_ACTIVATED, rank

PRIORITIES = st.integers(-HIGHEST_PRIORITY, HIGHEST_PRIORITY)
NUMBERS = st.integers(1, 2**40 - 1)


@given(st.tuples(PRIORITIES, NUMBERS), st.tuples(PRIORITIES, NUMBERS))
def test_rank_puts_priority_first_and_then_age(one, other):
    before = (-one[0], one[1]) < (-other[0], other[1])
    assert (rank(*one) < rank(*other)) is before


@given(PRIORITIES, NUMBERS)
def test_rank_fits_a_column_of_64_bits(priority, job_id):
    assert -(2**63) <= rank(priority, job_id) < 2**63


def test_every_waiting_state_may_be_activated():
    assert all((state, JobState.ACTIVATED) in MOVES for state in MAY_BE_ACTIVATED)


def test_every_kill_code_ends_a_job():
    assert {kill.end for kill in KILLS.values()} == {JobState.CANCELLED, JobState.CLOSED} < FINAL
