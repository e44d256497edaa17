"""What is counted of incidents: in the last hour, and in each hour."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from server.incidents import queries
from server.incidents.models import Incident, IncidentCount
from server.incidents.states import State

NOW = datetime(2026, 3, 1, 12, 34, tzinfo=UTC)


@pytest.fixture
def incident(db):
    def make(words="broken", level=logging.ERROR, state=State.NEW, **counts):
        one = Incident.objects.create(
            fingerprint=words, app="production", words=words, level=level, state=state, first_seen=NOW, last_seen=NOW
        )
        for minutes, count in counts.items():
            slot = queries.slot_of(NOW - timedelta(minutes=int(minutes.strip("_"))))
            IncidentCount.objects.create(incident=one, slot=slot, count=count)
        return one

    return make


def test_nothing_went_wrong_where_there_is_nothing(db):
    assert queries.last_hour(NOW) == queries.LastHour()


def test_the_last_hour_counts_records_by_level_and_incidents_that_nobody_has_looked_at(
    incident, django_assert_num_queries
):
    incident("a", _0=3, _50=4, _90=100)
    incident("b", state=State.SEEN, _10=1)
    incident("c", level=logging.WARNING, _20=7)
    with django_assert_num_queries(1):
        found = queries.last_hour(NOW)
    assert (found.errors, found.warnings, found.records, found.kinds, found.new) == (8, 7, 15, 3, 2)
    assert found.latest == NOW


def test_counts_of_ten_minutes_make_hours(incident):
    one = incident("a", _0=1, _14=2, _34=4, _35=8)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    wanted = {noon: 7, noon - timedelta(hours=1): 8}
    assert queries.by_hour([one.pk], since=NOW - timedelta(hours=2)) == {one.pk: wanted}
    assert queries.all_by_hour(since=NOW - timedelta(hours=2)) == wanted


def test_hours_without_anything_stand_between_the_others():
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    shown = queries.hours({noon: 7}, now=NOW, length=3)
    assert shown == [(noon - timedelta(hours=2), 0), (noon - timedelta(hours=1), 0), (noon, 7)]
