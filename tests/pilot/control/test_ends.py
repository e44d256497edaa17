from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.ends import first, known_ends, remaining, working_end
from pilot.settings.sections import Job


@pytest.mark.parametrize(
    ("times", "at", "code", "words"),
    [
        ({"lifetime": 900}, 1900, ErrorCode.REACHED_MAX_TIME, "the pilot's lifetime of 900 s"),
        ({"lease": 600}, 1600, ErrorCode.LEASE_TIME, "the lease of the slot of 600 s"),
        ({"walltime": 500, "lease": 600}, 1500, ErrorCode.REACHED_MAX_TIME, "the time of the batch slot of 500 s"),
    ],
)
def test_the_end_is_the_first_of_those_that_are_known_and_has_its_own_code(times, at, code, words):
    end = first(known_ends(Job(**times), 1000.0))
    assert (end.at, end.problem.code) == (at, code)
    assert words in end.problem.detail


def test_what_is_left_is_never_less_than_nothing():
    ends = known_ends(Job(lease=600), 1000.0)
    assert [remaining(ends, now) for now in (1000.0, 1599.0, 1700.0)] == [600, 1, 0]


@pytest.mark.parametrize(("lease", "until"), [(600, 1420), (181, 1001), (180, 1090), (100, 1050)])
def test_a_part_of_the_time_is_kept_for_the_end_and_of_a_short_one_half(lease, until):
    assert working_end(known_ends(Job(lease=lease), 1000.0), 1000.0, 180.0) == until
