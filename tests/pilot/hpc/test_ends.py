"""Each way in which an allocation ends has its own code."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.hpc import ends
from pilot.hpc.values import BatchState, Status


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (BatchState.HELD, ErrorCode.ALLOCATION_HELD),
        (BatchState.RESCHEDULED, ErrorCode.ALLOCATION_RESCHEDULED),
        (BatchState.TIMED_OUT, ErrorCode.ALLOCATION_TIMED_OUT),
        (BatchState.CANCELLED, ErrorCode.ALLOCATION_LOST),
        (BatchState.FAILED, ErrorCode.ALLOCATION_LOST),
        (BatchState.UNKNOWN, ErrorCode.ALLOCATION_LOST),
        (BatchState.ENDED, ErrorCode.RANK_LOST),
    ],
)
def test_what_became_of_the_allocation_says_what_its_jobs_failed_of(state, code):
    problem = ends.of_status("compass-1", Status(state, "the batch system's words"))
    assert problem.code is code
    assert "compass-1" in problem.detail
    assert "the batch system's words" in problem.detail


def test_both_numbers_are_told_when_ranks_and_lines_differ():
    problem = ends.mismatch(lines=3, ranks=4)
    assert problem.code is ErrorCode.RANKS_MISMATCH
    assert "3 lines" in problem.detail
    assert "4 ranks" in problem.detail


def test_a_refusal_keeps_the_batch_systems_words():
    assert ends.rejected("no such account").detail == "no such account"


def test_an_allocation_is_over_when_nothing_of_it_can_run_any_more():
    over = {state for state in BatchState if state.over}
    assert over == {BatchState.ENDED, BatchState.TIMED_OUT, BatchState.CANCELLED, BatchState.FAILED}
