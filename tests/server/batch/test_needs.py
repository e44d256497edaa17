"""What no job can want is refused by its name, before anything is asked of a batch system."""

from __future__ import annotations

import pytest

from server.batch.base import MOST, BatchMisconfigured, Needs


@pytest.mark.parametrize("name", sorted(MOST))
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 10**400])
def test_what_no_job_can_want_is_refused_by_its_name(name, value):
    with pytest.raises(BatchMisconfigured, match=f"needs.{name}: .*: give more than 0 and at most {MOST[name]}"):
        Needs(**{name: value})


def test_what_is_left_out_is_the_systems_own():
    assert Needs(memory=None, disk=None, wall_time=None) == Needs()
    assert Needs(**MOST).wall_time == MOST["wall_time"]
