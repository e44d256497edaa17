"""The merge plan covers every file once, in order, and keeps to its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.production.merging import plan_merge

GB = 10**9


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([], []),
        ([1], [range(0, 1)]),
        ([2 * GB, 2 * GB, 1], [range(0, 2), range(2, 3)]),
        ([3 * GB, 2 * GB, 2 * GB], [range(0, 1), range(1, 3)]),
        ([5 * GB, 1], [range(0, 1), range(1, 2)]),
        ([1, 5 * GB, 1], [range(0, 1), range(1, 2), range(2, 3)]),
        ([0, 0], [range(0, 2)]),
    ],
)
def test_files_are_packed_in_order_up_to_the_target(sizes, groups):
    assert plan_merge(sizes, target=4 * GB) == groups


def test_a_group_has_at_most_so_many_files():
    assert plan_merge([1] * 5, target=GB, most=2) == [range(0, 2), range(2, 4), range(4, 5)]


@pytest.mark.parametrize("bad", [{"sizes": [-1], "target": 1}, {"sizes": [1], "target": 0}])
def test_impossible_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="must not be negative"):
        plan_merge(**bad)


def test_a_group_of_no_files_is_refused():
    with pytest.raises(ValueError, match="most must be positive"):
        plan_merge([1], target=1, most=0)


@given(st.lists(st.integers(0, 50)), st.integers(1, 100), st.integers(1, 9))
def test_every_file_is_in_one_group_and_no_group_can_take_its_neighbour(sizes, target, most):
    groups = plan_merge(sizes, target=target, most=most)
    assert [index for group in groups for index in group] == list(range(len(sizes)))
    sums = [sum(sizes[index] for index in group) for group in groups]
    assert all(total <= target or len(group) == 1 for total, group in zip(sums, groups, strict=True))
    for total, group, after in zip(sums, groups, groups[1:], strict=False):
        assert len(group) == most or total + sizes[after.start] > target
