"""Incidents are counted, moved by people, opened again and forgotten."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.incidents import logic
from server.incidents.models import Incident, IncidentCount
from server.incidents.sighting import Sighting
from server.incidents.states import State

NOW = datetime(2026, 3, 1, 12, 34, tzinfo=UTC)
ONE = Sighting("production", "server.production", logging.ERROR, "broken", "KeyError", "x.py:f", "sample", NOW, NOW)


def seen(*sightings):
    logic.record(sightings, host="here", process="serve (1)")
    return Incident.objects.get(fingerprint=sightings[0].fingerprint)


def later(**delta):
    return replace(ONE, first=NOW + timedelta(**delta), latest=NOW + timedelta(**delta), sample="another")


def test_what_is_alike_is_one_incident_with_counts_of_ten_minutes(db):
    seen(replace(ONE, times=3))
    seen(later(minutes=2))
    incident = seen(later(minutes=7))
    assert (incident.count, incident.first_seen, incident.last_seen) == (5, NOW, NOW + timedelta(minutes=7))
    assert list(IncidentCount.objects.order_by("slot").values_list("count", flat=True)) == [4, 1]
    assert (incident.sample, incident.host, incident.process) == ("sample", "here", "serve (1)")


def test_a_sample_is_renewed_when_it_is_old(db):
    seen(ONE)
    assert seen(later(hours=1)).sample == "another"


def test_news_that_come_late_do_not_put_the_clock_back(db):
    seen(ONE)
    incident = seen(later(minutes=-30))
    assert (incident.first_seen, incident.last_seen) == (NOW - timedelta(minutes=30), NOW)


def test_a_resolved_incident_that_comes_again_is_new(db):
    incident = seen(ONE)
    logic.move(incident, State.RESOLVED, by="petra", note="restarted", now=NOW + timedelta(minutes=1))
    again = seen(later(hours=1))
    assert (again.state, again.reopened, again.by, again.note) == (State.NEW, 1, "", "restarted")


def test_what_was_on_its_way_when_it_was_resolved_does_not_open_it(db):
    incident = seen(ONE)
    logic.move(incident, State.RESOLVED, by="petra", now=NOW + timedelta(minutes=1))
    assert seen(later(seconds=30)).state == State.RESOLVED


def test_who_moves_what_somebody_else_has_moved_is_told(db):
    incident = seen(ONE)
    stale = Incident.objects.get(pk=incident.pk)
    logic.move(incident, State.SEEN, by="petra", note="looking")
    with pytest.raises(logic.IncidentRefused, match="somebody has moved it meanwhile"):
        logic.move(stale, State.RESOLVED, by="paul")
    assert Incident.objects.get().by == "petra"


def test_a_note_alone_leaves_the_state(db):
    incident = seen(ONE)
    logic.move(incident, State.NEW, by="petra", note="known")
    assert (Incident.objects.get().state, Incident.objects.get().note) == (State.NEW, "known")


def test_words_that_a_caller_makes_up_fill_no_table(db):
    made = [replace(ONE, words=f"made up {number}") for number in range(logic.MOST_OF_A_LOGGER + 5)]
    logic.record(made, host="here", process="serve")
    assert Incident.objects.count() == logic.MOST_OF_A_LOGGER + 1
    other = Incident.objects.get(words__startswith="other records of")
    assert other.count == 5


def test_what_was_not_seen_for_long_is_forgotten_with_its_counts(db):
    seen(later(days=-100))
    kept = replace(ONE, words="still there")
    seen(replace(later(days=-100), words=kept.words))
    seen(kept)
    turns = []
    assert logic.prune(NOW, days=90, keep=lambda: turns.append(1)) == {"counts": 2, "incidents": 1}
    assert Incident.objects.get().words == "still there"
    assert IncidentCount.objects.count() == 1
    assert turns


@pytest.mark.parametrize(
    ("level", "error", "least", "is_one"),
    [
        (logging.ERROR, None, logging.ERROR, True),
        (logging.WARNING, None, logging.ERROR, False),
        (logging.WARNING, None, logging.WARNING, True),
        (logging.WARNING, (ValueError, ValueError(), None), logging.ERROR, True),
        (logging.INFO, (ValueError, ValueError(), None), logging.WARNING, False),
    ],
)
def test_errors_are_incidents_and_warnings_that_bring_an_exception(level, error, least, is_one):
    record = logging.LogRecord("server.x", level, __file__, 1, "x", (), error)
    assert logic.is_incident(record, least) is is_one
