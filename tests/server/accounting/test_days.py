"""Which days are kept by themselves, and which stand as one on the first of their month."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest

from server.accounting.days import Kept, first_of_month, next_month

KEPT = Kept(date(2026, 3, 1))


@pytest.mark.parametrize(
    ("back", "first"), [(0, date(2026, 2, 1)), (2, date(2025, 12, 1)), (13, date(2025, 1, 1)), (10**6, date(1, 1, 1))]
)
def test_months_are_counted_back_over_years(back, first):
    assert first_of_month(date(2026, 2, 28), back) == first


@pytest.mark.parametrize("day", [date(2026, 12, 31), date(2026, 12, 1)])
def test_the_next_month_may_be_of_the_next_year(day):
    assert next_month(day) == date(2027, 1, 1)


def test_a_day_is_kept_by_itself_or_on_the_first_of_its_month():
    assert KEPT.place(date(2026, 2, 28)) == date(2026, 2, 1)
    assert KEPT.place(date(2026, 3, 5)) == date(2026, 3, 5)
    assert Kept().place(date(2026, 2, 28)) == date(2026, 2, 28)


@pytest.mark.parametrize(
    ("first", "last", "whole"),
    [
        (date(2026, 1, 7), date(2026, 1, 9), (date(2026, 1, 1), date(2026, 1, 31))),
        (date(2026, 2, 7), date(2026, 3, 9), (date(2026, 2, 1), date(2026, 3, 9))),
        (date(2026, 3, 7), date(2026, 3, 9), (date(2026, 3, 7), date(2026, 3, 9))),
    ],
)
def test_of_months_that_are_kept_as_one_all_is_meant(first, last, whole):
    assert KEPT.whole(first, last) == whole
    spans = list(KEPT.spans(*whole))
    assert (spans[0][0], spans[-1][1]) == whole
    assert all(later[0] - earlier[1] == timedelta(days=1) for earlier, later in pairwise(spans))
    assert all(KEPT.place(day) == begin for begin, end in spans for day in (begin, end))
