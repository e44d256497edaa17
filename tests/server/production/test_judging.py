"""Each end of a job has one meaning, and sums are compared with both numbers told."""

from __future__ import annotations

import pytest

from pilot.contract.payload_codes import MEANINGS
from pilot.contract.states import JobState
from server.production.judging import JobView, judge_chunk, judge_dumps, judge_events, judge_group, needs_a_person


@pytest.mark.parametrize(
    ("state", "chunk", "group"),
    [
        ("defined", "sent", "sent"),
        ("activated", "sent", "sent"),
        ("sent", "running", "sent"),
        ("running", "running", "sent"),
        ("transferring", "running", "sent"),
        ("finished", "finished", "finished"),
        ("failed", "failed", "failed"),
        ("cancelled", "failed", "failed"),
        ("closed", "failed", "failed"),
    ],
)
def test_a_jobs_state_says_where_its_chunk_and_its_group_stand(state, chunk, group):
    view = JobView(7, JobState(state), 1, events=10)
    assert (judge_chunk(view, ordered=None).state, judge_group(view).state) == (chunk, group)


@pytest.mark.parametrize("code", MEANINGS)
def test_the_experiments_codes_decide_who_looks_next(code):
    view = JobView(7, JobState.FAILED, 1, payload_error=code.value)
    state = "manual_check" if MEANINGS[code].manual_check else "failed"
    assert judge_chunk(view, ordered=None).state == judge_group(view).state == state
    assert needs_a_person(code.value) is MEANINGS[code].manual_check


def test_a_code_that_nobody_knows_is_a_plain_failure():
    assert not needs_a_person(99)
    finding = judge_chunk(JobView(7, JobState.FAILED, 1, payload_error=99, words="broken"), ordered=None)
    assert (finding.state, finding.words) == ("failed", "broken")


@pytest.mark.parametrize(
    ("events", "words"),
    [(99, "100 events were ordered, 99 were made"), (None, "100 events were ordered, an unknown number of were made")],
)
def test_another_number_of_events_than_ordered_needs_a_person(events, words):
    finding = judge_chunk(JobView(7, JobState.FINISHED, 1, events=events), ordered=100)
    assert (finding.state, finding.words) == ("manual_check", words)


@pytest.mark.parametrize(
    ("chunks", "groups", "verdict", "words"),
    [
        ([5, 5], [10], "yes", "10 events went in and came out"),
        ([5, 5], [4, 6], "yes", "10 events"),
        ([0, 0], [0], "yes", "0 events"),
        ([5, 5], [4, 5], "manual_check", "10 events went in, 9 came out: 1 are missing"),
        ([5, 5], [5, 6], "manual_check", "1 are too many"),
        ([5, None], [5], "manual_check", "number of events unknown: chunk 1"),
        ([5], [None], "manual_check", "number of events unknown: merged file 0"),
        ([None] * 8, [0], "manual_check", "and 3 more"),
    ],
)
def test_events_are_compared_over_all_groups(chunks, groups, verdict, words):
    sums = judge_events(list(enumerate(chunks)), list(enumerate(groups)))
    assert sums.verdict == verdict
    assert words in sums.words


@pytest.mark.parametrize(
    ("chunks", "groups", "verdict"),
    [
        ([43, 53], [63], "yes"),
        ([43, 53], [43, 53], "yes"),
        ([33, 33], [], "yes"),
        ([43, 53], [43], "manual_check"),
        ([43], [None], "manual_check"),
    ],
)
def test_dumps_are_compared_without_their_heads_over_all_groups(chunks, groups, verdict):
    assert judge_dumps(chunks, groups, empty=33).verdict == verdict
