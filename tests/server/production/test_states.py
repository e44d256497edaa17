"""The tables of moves: closed, without dead ends that nobody meant, and with COMPASS's words."""

from __future__ import annotations

import pytest

from server.production.states import (
    BY_PEOPLE,
    CHUNK_MOVES,
    GROUP_MOVES,
    TASK_MOVES,
    ChunkState,
    GroupState,
    TaskState,
    choices_of,
)

TABLES = [(ChunkState, CHUNK_MOVES), (GroupState, GROUP_MOVES), (TaskState, TASK_MOVES)]


@pytest.mark.parametrize(("states", "moves"), TABLES)
def test_no_move_leads_to_where_it_begins(states, moves):
    assert all(before != after for before, after in moves)
    assert {state for move in moves for state in move} <= set(states)


@pytest.mark.parametrize(
    ("moves", "final"),
    [
        # What was made may vanish, and what was merged may differ from what went in.
        (CHUNK_MOVES, set()),
        (GROUP_MOVES, set()),
        (TASK_MOVES, {TaskState.CANCELLED, TaskState.ARCHIVED}),
    ],
)
def test_only_these_states_are_ends(moves, final):
    assert {after for _, after in moves} - {before for before, _ in moves} == final


@pytest.mark.parametrize(
    ("moves", "start", "end"),
    [
        (CHUNK_MOVES, ChunkState.DEFINED, ChunkState.FINISHED),
        (GROUP_MOVES, GroupState.READY, GroupState.FINISHED),
        (TASK_MOVES, TaskState.DRAFT, TaskState.ARCHIVED),
    ],
)
def test_from_everywhere_but_the_ends_the_good_end_can_be_reached(moves, start, end):
    reaching = {end}
    while more := {before for before, after in moves if after in reaching} - reaching:
        reaching |= more
    assert start in reaching
    assert reaching == {before for before, _ in moves} | {end}


def test_states_are_stored_with_underscores_and_shown_with_blanks():
    words = [state for kind in (TaskState, ChunkState, GroupState) for state in kind]
    assert all(" " not in state.value for state in words)
    assert ChunkState.MANUAL_CHECK.label == "manual check is needed"


def test_people_cannot_make_the_services_moves():
    assert BY_PEOPLE < TASK_MOVES
    assert (TaskState.RUNNING, TaskState.DONE) not in BY_PEOPLE
    assert choices_of(TaskState.RUNNING) == [
        TaskState.RESEND_FAILED,
        TaskState.RESEND_STAGING,
        TaskState.RESEND_MANUAL_CHECK,
        TaskState.PAUSED,
        TaskState.FINISHING,
        TaskState.CANCELLED,
    ]
