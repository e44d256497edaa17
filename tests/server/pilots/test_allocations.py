"""What the pilots of an allocation have used: counted once, also when they are counted, and when they are forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.pilots import allocations, logic
from server.pilots.models import AllocationUse, Pilot
from tests.server.pilots.test_logic import NOW, make

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]
HOUR = timedelta(hours=1)
#: The noon of the day before.
SINCE = NOW - 24 * HOUR


@pytest.fixture
def used():
    mine = {"allocation": "a", "state": "done"}
    make(0, **mine, batch_id="0", nodes=4, started_at=NOW - 3 * HOUR, ended_at=NOW - HOUR)
    make(1, allocation="a", state="running", nodes=2, started_at=NOW - HOUR)
    make(2, **mine, batch_id="2", nodes=4, started_at=NOW - 30 * HOUR, ended_at=NOW - HOUR)
    make(3, **mine, ended_at=NOW - HOUR)
    make(4, state="done", batch_id="4", nodes=4, started_at=NOW - HOUR, ended_at=NOW - HOUR / 2)
    make(5, **mine, batch_id="5", nodes=1, started_at=NOW - 23 * HOUR, ended_at=NOW - 22 * HOUR)


def hours() -> float:
    return allocations.used_hours("a", since=SINCE, now=NOW)


def test_node_hours_are_those_of_ended_and_of_running_pilots_since_a_time(used):
    assert hours() == pytest.approx(11)
    assert allocations.used_hours("b", since=SINCE, now=NOW) == 0


def test_they_are_the_same_when_their_pilots_are_in_the_sums(used):
    assert logic.count_ended(now=NOW) == 5
    assert hours() == pytest.approx(11)
    assert sorted(AllocationUse.objects.values_list("node_seconds", flat=True)) == [8 * 3600, 117 * 3600]


def test_of_the_first_day_all_counts_once_its_pilots_are_forgotten(used):
    logic.count_ended(now=NOW)
    Pilot.objects.exclude(ended_at=None).delete()
    assert hours() == pytest.approx(11 + 116)
    assert allocations.used_hours("a", since=NOW - 2 * HOUR, now=NOW) == pytest.approx(10)


def test_a_hundred_thousand_pilots_are_not_read_one_by_one(used, django_assert_num_queries):
    logic.count_ended(now=NOW)
    with django_assert_num_queries(3):
        assert allocations.ended_hours("a", since=SINCE) == pytest.approx(9)
    with django_assert_num_queries(2):
        assert allocations.ended_hours("a", since=SINCE, earlier=116.0) == pytest.approx(9)
