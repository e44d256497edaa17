"""Each end of a job has one meaning, and sums are compared with both numbers told."""

from __future__ import annotations

import pytest

from pilot.contract.states import JobState
from server.production.judging import (
    JobView,
    Merged,
    judge_chunk,
    judge_dumps,
    judge_events,
    judge_group,
    vanished,
)
from server.production.rules.actions import Action
from server.production.rules.match import Decision


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


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (Action.RETRY, "failed"),
        (Action.LATER, "failed"),
        (Action.ELSEWHERE, "failed"),
        (Action.GIVE_UP, "failed"),
        (Action.MANUAL_CHECK, "manual_check"),
        (Action.STAGING, "defined"),
    ],
)
def test_what_rules_decide_of_a_failure_leads_to_a_state(action, state):
    view, decision = JobView(7, JobState.FAILED, 1), Decision(action, "one", "rule 'one': broken", 60.0)
    for finding in (judge_chunk(view, ordered=9, decision=decision), judge_group(view, decision=decision)):
        assert (finding.state, finding.words, finding.rule, finding.delay) == (state, "rule 'one': broken", "one", 60.0)


def test_a_failure_that_nothing_was_decided_about_is_a_plain_one():
    finding = judge_chunk(JobView(7, JobState.FAILED, 1, payload_error=99, words="broken"), ordered=None)
    assert (finding.state, finding.words, finding.delay) == ("failed", "broken", None)


@pytest.mark.parametrize(
    ("events", "words"),
    [(99, "100 events were ordered, 99 were made"), (None, "100 events were ordered, an unknown number of were made")],
)
def test_another_number_of_events_than_ordered_needs_a_person(events, words):
    finding = judge_chunk(JobView(7, JobState.FINISHED, 1, events=events), ordered=100)
    assert (finding.state, finding.words) == ("manual_check", words)


YES, LOOK = "yes", "manual_check"


@pytest.mark.parametrize(
    ("chunks", "groups", "verdict", "words"),
    [
        ([5, 5], [(10, 10)], YES, "10 events went in and came out"),
        ([5, 5], [(4, 4), (6, 6)], YES, "10 events went in and came out"),
        ([0, 0], [(0, 0)], YES, "0 events went in and came out"),
        ([5, 5], [(5, 4), (5, 5)], LOOK, "10 events went in, 9 came out: 1 are missing; merge 0: 5 in, 4 out"),
        ([5, 5], [(5, 5), (5, 6)], LOOK, "10 events went in, 11 came out: 1 are too many; merge 1: 5 in, 6 out"),
        # A chunk that is in no group is missing from the run, and each group is right.
        ([5, 5], [(5, 5)], LOOK, "10 events went in, 5 came out: 5 are missing"),
        # Two faults that hide each other in the sum.
        (
            *([5, 5], [(5, 4), (5, 6)], LOOK),
            "10 events went in and came out, but not of each merge; merge 0: 5 in, 4 out, merge 1: 5 in, 6 out",
        ),
        (
            [5, 5],
            [(None, 10)],
            LOOK,
            "10 events went in and came out, but not of each merge; merge 0: unknown in, 10 out",
        ),
    ],
)
def test_events_are_compared_over_all_groups_and_of_each(chunks, groups, verdict, words):
    sums = judge_events(list(enumerate(chunks)), [Merged(number, *group) for number, group in enumerate(groups)])
    assert (sums.verdict, sums.words) == (verdict, words)
    assert [group.number for group in sums.bad] == [n for n, (went, came) in enumerate(groups) if went != came]


@pytest.mark.parametrize(
    ("chunks", "groups", "words"),
    [
        ([5, None], [(5, 5)], "number of events unknown: chunk 1;"),
        ([5], [(5, None)], "number of events unknown: merge 0;"),
        ([None] * 8, [(None, 0)], "chunk 4 and 3 more;"),
    ],
)
def test_events_that_nobody_has_counted_need_a_person_and_blame_no_group(chunks, groups, words):
    sums = judge_events(list(enumerate(chunks)), [Merged(number, *group) for number, group in enumerate(groups)])
    assert (sums.verdict, sums.bad) == (LOOK, ())
    assert words in sums.words


@pytest.mark.parametrize(
    ("head", "chunks", "groups", "verdict", "bad"),
    [
        (33, [43, 53], [(30, 63)], YES, []),
        (33, [43, 53], [(10, 43), (20, 53)], YES, []),
        (0, [43, 53], [(96, 96)], YES, []),
        (0, [43, 53], [(43, 43), (53, 53)], YES, []),
        (0, [], [], YES, []),
        (33, [43, 53], [(10, 43)], LOOK, []),
        (33, [43, 53, 63], [(10, 42), (20, 53), (30, 63)], LOOK, [0]),
        (0, [43, 53], [(43, 42), (53, 54)], LOOK, [0, 1]),
        (33, [43], [(10, None)], LOOK, []),
    ],
)
def test_dumps_are_compared_without_their_heads_over_all_groups_and_of_each(head, chunks, groups, verdict, bad):
    sums = judge_dumps(chunks, [Merged(number, *group) for number, group in enumerate(groups)], head=head)
    assert sums.verdict == verdict
    assert [group.number for group in sums.bad] == bad


A, B = "mDST-278473-1-0-7.root", "mDST-278473-2-0-7.root"
GONE = f"{B}: no such file /data/{A}; 2 of 9 files failed, also {A}"


@pytest.mark.parametrize(
    ("state", "error", "words", "lfn"),
    [
        ("failed", 1331, f"{A}: no such file", A),
        ("failed", 1103, f"MISSING: {B}: no such file", B),
        ("failed", 1100, GONE, B),
        ("failed", 1331, f"x{A}: no such file", ""),
        ("failed", 1331, "nothing is named", ""),
        ("failed", 1099, f"{A}: the storage hung up", ""),
        ("cancelled", 1331, f"{A}: no such file", ""),
        ("running", 1331, f"{A}: no such file", ""),
    ],
)
def test_only_an_input_that_a_pilot_has_looked_for_in_vain_is_gone_and_of_several_the_first(state, error, words, lfn):
    assert vanished(JobView(7, JobState(state), 1, pilot_error=error, words=words), [A, B]) == lfn
