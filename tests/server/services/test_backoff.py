from __future__ import annotations

from datetime import timedelta

import pytest

from server.services.backoff import LONGEST_WAIT, is_due, is_to_run, wait_after
from server.services.states import Asked
from tests.server.services.conftest import BEGIN

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("failures", "seconds"), [(0, 2), (1, 4), (2, 8), (5, 64), (9, 600), (10**6, 600)])
def test_each_failure_in_a_row_doubles_the_wait_up_to_ten_minutes(failures, seconds):
    assert wait_after(2 * SECOND, failures) == seconds * SECOND


def test_a_long_period_is_not_shortened_by_failures():
    assert wait_after(6 * LONGEST_WAIT, 3) == 6 * LONGEST_WAIT


@pytest.mark.parametrize(
    ("early", "due"), [(timedelta(0), True), (SECOND, True), (1.01 * SECOND, False), (-9 * SECOND, True)]
)
def test_half_a_period_early_is_in_time(early, due):
    assert is_due(BEGIN, BEGIN + early, period=2 * SECOND) is due


@pytest.mark.parametrize("period", [SECOND, 6 * LONGEST_WAIT])
def test_a_time_that_a_clock_has_written_which_was_put_back_is_not_waited_for(period):
    longest = max(period, LONGEST_WAIT)
    assert not is_due(BEGIN, BEGIN + longest, period)
    assert is_due(BEGIN, BEGIN + longest + timedelta(hours=3), period)


def test_what_never_ran_is_due():
    assert is_due(BEGIN, None, SECOND)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("due", [True, False])
@pytest.mark.parametrize("failures", [0, 3])
def test_who_asks_decides_what_is_followed(enabled, due, failures):
    state = {"enabled": enabled, "due": due, "failures": failures}
    assert is_to_run(Asked.PERSON, **state)
    assert is_to_run(Asked.SCHEDULE, **state) is (enabled and due)
    assert is_to_run(Asked.WAKE, **state) is (enabled and (due or failures == 0))
