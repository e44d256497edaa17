"""Pilots that ended long ago are forgotten, and which of them stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.pilots import logic
from server.pilots.models import Pilot, PilotUse
from tests.server.jobs import claim, submit
from tests.server.pilots.test_days import ended

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = 86400
pytestmark = [pytest.mark.django_db, pytest.mark.one_python]


def names() -> list[int]:
    return sorted(Pilot.objects.values_list("number", flat=True))


def test_pilots_go_after_their_days_and_what_they_cost_stays():
    ended(0, ago=61 * DAY), ended(1, ago=59 * DAY)
    assert logic.forget_pilots(now=NOW, days=60) == 0  # they are not in the sums yet
    logic.count_ended(now=NOW)
    assert logic.forget_pilots(now=NOW, days=60) == 1
    assert names() == [1]
    assert sum(PilotUse.objects.values_list("pilots", flat=True)) == 2


def test_pilots_whose_files_are_here_or_that_a_job_names_stay(queue):
    ended(0, ago=61 * DAY, directory="/logs/0"), ended(1, ago=61 * DAY), ended(2, ago=61 * DAY)
    submit(1), claim(batch_id="s/1")
    logic.count_ended(now=NOW)
    assert logic.forget_pilots(now=NOW, days=60) == 1
    assert names() == [0, 1]


def test_those_that_no_batch_system_took_have_cost_nothing_and_go_after_a_day():
    for number, ago in enumerate((2 * DAY, DAY / 2)):
        ended(number, ago=ago, state="lost", seconds=0)
    Pilot.objects.update(batch_id="", started_at=None)
    assert logic.count_ended(now=NOW) == 2
    assert not PilotUse.objects.exists()
    assert logic.forget_pilots(now=NOW, days=60) == 1
    assert names() == [1]


def test_they_go_a_few_at_a_time_and_those_that_stay_keep_no_others(monkeypatch):
    monkeypatch.setattr("server.pilots.logic.old._PIECE", 2)
    for number in range(7):
        ended(number, ago=61 * DAY - number, directory="/logs" if number < 3 else "")
    ended(7)
    logic.count_ended(now=NOW)
    signs: list[int] = []
    assert logic.forget_pilots(now=NOW, days=60, keep=lambda: signs.append(1)) == 4
    assert (names(), len(signs)) == ([0, 1, 2, 7], 4)


def test_no_number_of_days_is_too_large():
    ended(0, ago=61 * DAY)
    logic.count_ended(now=NOW)
    assert logic.forget_pilots(now=NOW, days=10**12) == logic.prune(now=NOW - timedelta(days=1), days=10**12) == 0
