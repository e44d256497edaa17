"""What decides on a file's way to tape: each answer of the catalogue, each failure, each pause."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from server.dataservice.states import ReplicaState
from server.production.archive.rules import Then, after_failure, believed, judge, needs, pause
from server.production.chains import CHAINS
from server.production.states import CheckKind, OutputKind, TapeState, TaskType

R = ReplicaState
DAY = 86400


@pytest.mark.parametrize(
    ("kind", "output", "merged", "checks"),
    [
        (TaskType.MASS, OutputKind.MERGED_MDST, True, (CheckKind.MDST,)),
        (TaskType.MASS, OutputKind.MERGED_HISTOGRAMS, True, (CheckKind.MDST,)),
        (TaskType.MC_RECONSTRUCTION, OutputKind.MERGED_DUMP, True, (CheckKind.MDST, CheckKind.DUMP)),
        (TaskType.DDD_FILTERING, OutputKind.MERGED_DUMP, True, (CheckKind.DUMP,)),
        (TaskType.MC_GENERATION, OutputKind.GENERATED, False, ()),
    ],
)
def test_a_file_is_right_after_its_merge_and_the_checks_of_its_chain(kind, output, merged, checks):
    found = needs(CHAINS[kind], output)
    assert (found.merged, found.checks) == (merged, checks)


def test_whatever_a_chain_has_on_tape_is_made_by_it():
    for chain in CHAINS.values():
        for output in chain.archived:
            assert needs(chain, output).merged or output in chain.outputs


@pytest.mark.parametrize(
    ("replicas", "asked", "then"),
    [
        ({"DISK": R.AVAILABLE}, False, Then.ASK),
        ({"DISK": R.AVAILABLE}, True, Then.ASK),
        ({"DISK": R.AVAILABLE, "TAPE": R.LOST}, True, Then.ASK),
        ({"DISK": R.AVAILABLE, "TAPE": R.DELETED}, True, Then.ASK),
        # It may be the very file: it is compared.
        ({"DISK": R.AVAILABLE, "TAPE": R.ON_TAPE}, False, Then.ASK),
        ({"DISK": R.AVAILABLE, "TAPE": R.ON_TAPE}, True, Then.REMOVE_OLD),
        ({"DISK": R.AVAILABLE, "TAPE": R.AVAILABLE}, True, Then.REMOVE_OLD),
        # The last copy is never removed.
        ({"DISK": R.LOST, "TAPE": R.ON_TAPE}, True, Then.ASK),
        ({"TAPE": R.ON_TAPE}, True, Then.ASK),
        ({"DISK": R.LOST, "FAR": R.AVAILABLE}, False, Then.ASK),
        ({"DISK": R.LOST}, False, Then.MAKE_AGAIN),
        ({"DISK": R.DELETED, "TAPE": R.LOST}, True, Then.MAKE_AGAIN),
        ({}, False, Then.MAKE_AGAIN),
        ({"DISK": R.LOST, "FAR": R.ON_TAPE}, False, Then.FAIL),
        ({"DISK": R.REMOVING}, False, Then.FAIL),
    ],
)
def test_what_follows_from_where_the_catalogue_has_a_file(replicas, asked, then):
    assert judge(replicas, home="DISK", tape="TAPE", asked=asked).then is then


def test_what_jobs_write_to_the_tape_system_itself_is_only_watched():
    for asked in (False, True):
        assert judge({"TAPE": R.AVAILABLE}, home="TAPE", tape="TAPE", asked=asked).then is Then.ASK


def test_no_case_is_without_an_answer_and_a_file_that_can_be_read_is_never_made_again():
    for disk, tape, asked in product([None, *R], [None, *R], [True, False]):
        replicas = {name: state for name, state in (("DISK", disk), ("TAPE", tape)) if state is not None}
        then = judge(replicas, home="DISK", tape="TAPE", asked=asked).then
        if disk is R.AVAILABLE or tape in (R.AVAILABLE, R.ON_TAPE):
            assert then in (Then.ASK, Then.REMOVE_OLD)
        if then is Then.REMOVE_OLD:
            assert disk is R.AVAILABLE


@pytest.mark.parametrize(
    ("absent", "looked", "found"),
    [([], [1, 2], []), ([1], [1, 2], [1]), ([1, 2], [1, 2, 3], [1, 2]), ([1, 2], [1, 2], [1]), ([1], [1], [1])],
)
def test_where_nothing_is_there_only_the_first_is_believed_to_be_absent(absent, looked, found):
    assert believed(absent, looked) == found


def test_pauses_double_up_to_a_day():
    assert [pause(n, 600).total_seconds() for n in (1, 2, 3)] == [600, 1200, 2400]
    assert pause(0, 600) == pause(1, 600)
    assert pause(9, 600) == pause(10**6, 600) == timedelta(days=1)
    assert pause(1, 3 * DAY) == timedelta(days=1)


@pytest.mark.parametrize(("attempts", "allowed", "state"), [(1, 5, "ready"), (4, 5, "ready"), (5, 5, "failed")])
def test_requests_are_bounded(attempts, allowed, state):
    found = after_failure(attempts, allowed=allowed, words="the drive is broken", delay=600)
    assert found.state == state
    assert "the drive is broken" in found.words


def test_words_say_when_it_is_asked_for_again_and_that_nobody_does():
    assert (
        after_failure(3, allowed=5, words="no", delay=36_000).words
        == "request 3 of 5 failed: no; asked again in 24.0 h"
    )
    assert after_failure(1, allowed=1, words="no", delay=1).words.startswith("after 1 request: no")
    assert after_failure(1, allowed=5, words="sold", delay=1, given_up=True).state is TapeState.FAILED
