from __future__ import annotations

import pytest

from pilot.contract.states import FINAL, MOVES, REPORTABLE, RESETS, RETRIES, WITH_PILOT, JobState, may_follow

S = JobState
#: Where a submitted job begins: placed later, waiting for its inputs, or ready at once.
BORN = {S.PENDING, S.DEFINED, S.ACTIVATED}


def reachable(starts, moves):
    found, fresh = set(starts), set(starts)
    while fresh:
        fresh = {after for before, after in moves if before in fresh} - found
        found |= fresh
    return found


def test_every_state_can_be_reached():
    assert reachable({S.PENDING}, MOVES) == set(S)


@pytest.mark.parametrize("born", sorted(BORN, key=lambda state: state.value), ids=lambda state: state.value)
def test_a_job_can_end_in_every_way_however_it_was_born(born):
    assert reachable({born}, MOVES) >= FINAL


@pytest.mark.parametrize("state", set(S) - FINAL, ids=lambda state: state.value)
def test_no_living_state_is_a_trap(state):
    assert reachable({state}, MOVES - RETRIES) & FINAL


def test_nothing_moves_out_of_a_good_end():
    assert not [after for before, after in MOVES if before is S.FINISHED]


@pytest.mark.parametrize("state", [S.CANCELLED, S.CLOSED], ids=lambda state: state.value)
def test_only_a_reset_moves_a_job_out_of_an_ordered_end(state):
    resets = {(state, S.ACTIVATED), (state, S.DEFINED)}
    assert {(before, after) for before, after in MOVES if before is state} == resets <= RESETS


def test_a_failed_job_may_only_be_tried_again_or_wait_for_its_inputs_again():
    assert {after for before, after in MOVES if before is S.FAILED} == {S.ACTIVATED, S.DEFINED}


def test_no_move_leads_where_it_came_from():
    assert not [state for state in S if may_follow(state, state)]


def test_a_retry_begins_a_new_attempt_of_a_job_that_a_pilot_had():
    assert {before for before, _ in RETRIES} == WITH_PILOT | {S.FAILED}
    assert {after for _, after in RETRIES} == {S.ACTIVATED}
    assert RETRIES <= MOVES


def test_only_an_activated_job_is_handed_out():
    assert {before for before, after in MOVES if after is S.SENT} == {S.ACTIVATED}


def test_a_pilot_may_report_from_every_state_in_which_it_has_the_job():
    for state in WITH_PILOT:
        assert {after for before, after in MOVES if before is state} & REPORTABLE, state


@pytest.mark.parametrize("state", WITH_PILOT, ids=lambda state: state.value)
def test_a_final_report_is_taken_even_when_all_others_were_lost(state):
    assert may_follow(state, S.FINISHED)
    assert may_follow(state, S.FAILED)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (S.RUNNING, S.STARTING),  # a report that was overtaken
        (S.HOLDING, S.RUNNING),
        (S.TRANSFERRING, S.RUNNING),
        (S.MERGING, S.HOLDING),
        (S.ACTIVATED, S.RUNNING),
        (S.SENT, S.ASSIGNED),
        (S.FAILED, S.FINISHED),
        (S.FINISHED, S.FAILED),
        (S.CANCELLED, S.RUNNING),
    ],
)
def test_a_job_never_goes_back_by_a_report(before, after):
    assert not may_follow(before, after)


@pytest.mark.parametrize("state", set(S) - FINAL, ids=lambda state: state.value)
def test_whatever_lives_can_be_cancelled_and_closed(state):
    assert may_follow(state, S.CANCELLED)
    assert may_follow(state, S.CLOSED)


def test_the_words_are_pandas():
    assert [state.value for state in S] == [
        *("pending", "defined", "assigned", "waiting", "activated", "sent", "starting", "running"),
        *("holding", "transferring", "merging", "finished", "failed", "cancelled", "closed"),
    ]
    assert {state.value for state in REPORTABLE} == {
        *("starting", "running", "holding", "transferring", "finished", "failed")
    }


@pytest.mark.parametrize(
    "story",
    [
        "pending defined assigned activated sent starting running transferring holding merging finished",
        "waiting activated sent running holding failed activated sent finished",
        "defined waiting defined activated assigned activated sent starting failed",
        "running transferring merging failed",
        "activated sent activated cancelled",
        "merging closed",
    ],
)
def test_a_story_that_happens_is_told_in_legal_moves(story):
    states = [S(word) for word in story.split()]
    assert all(may_follow(before, after) for before, after in zip(states, states[1:]))
