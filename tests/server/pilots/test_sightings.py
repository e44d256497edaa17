"""Thousands of pilots brought up to date at once: what is written, what is left alone, and how often is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.lib.moves import IllegalMove
from server.pilots import logic, queries
from server.pilots.logic import Sighting
from server.pilots.models import Pilot
from server.pilots.states import PilotState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=5)
pytestmark = [pytest.mark.django_db, pytest.mark.one_python]


def make(count: int, **columns) -> None:
    values = {"queue": "Q", "batch_system": "condor", "submission": "s", "submitted_at": EARLIER, **columns}
    rows = [Pilot(number=number, **{"batch_id": f"7.{number}", **values}) for number in range(count)]
    Pilot.objects.bulk_create(rows)


def test_many_pilots_are_brought_up_to_date_by_some_statements(django_assert_max_num_queries):
    make(2500, state="queued")
    with django_assert_max_num_queries(1 + 3 * 4):  # one that reads; and for each thousand: two, in a transaction
        living = queries.living_in("condor")
        seen = Sighting(PilotState.RUNNING, started=EARLIER, node="wn7")
        moved = logic.observe_many([(pilot, seen) for pilot in living], now=NOW)
    assert len(moved) == 2500
    assert Pilot.objects.filter(state="running", started_at=EARLIER, node="wn7", ended_at=None).count() == 2500


def test_each_row_gets_its_own_values_and_those_that_moved_are_told():
    make(4, state="running", started_at=EARLIER)
    first, second, third, fourth = queries.living_in("condor")
    news = [
        (first, Sighting(PilotState.DONE, 82, ended=EARLIER)),
        (second, Sighting(PilotState.LOST, words="the system forgot it")),
        (third, Sighting(PilotState.HELD, words="over its memory")),
        (fourth, Sighting(PilotState.RUNNING, started=EARLIER)),
    ]
    assert logic.observe_many(news, now=NOW) == news[:3]
    rows = Pilot.objects.order_by("number").values_list("state", "exit_code", "ended_at", "words")
    assert list(rows) == [
        ("done", 82, EARLIER, "there was no work for it"),
        ("lost", None, NOW, "the system forgot it"),
        ("held", None, None, "over its memory"),
        ("running", None, None, ""),
    ]
    assert set(Pilot.objects.values_list("started_at", flat=True)) == {EARLIER}


def test_what_is_as_it_was_is_not_written(django_assert_num_queries):
    make(3, state="running", started_at=EARLIER, node="wn7")
    living = queries.living_in("condor")
    with django_assert_num_queries(0):
        seen = Sighting(PilotState.RUNNING, started=EARLIER, node="wn7")
        assert logic.observe_many([(pilot, seen) for pilot in living], now=NOW) == []


def test_a_node_that_becomes_known_later_is_written_and_is_no_move():
    make(1, state="running")
    (pilot,) = queries.living_in("condor")
    assert logic.observe_many([(pilot, Sighting(PilotState.RUNNING, started=EARLIER, node="wn7"))], now=NOW) == []
    assert Pilot.objects.values_list("state", "node", "started_at").get() == ("running", "wn7", EARLIER)


def test_a_node_once_known_is_not_forgotten():
    make(1, state="running", node="wn7")
    (pilot,) = queries.living_in("condor")
    logic.observe_many([(pilot, Sighting(PilotState.DONE, 0))], now=NOW)
    assert Pilot.objects.get().node == "wn7"


def test_rows_that_somebody_else_has_moved_are_left_alone():
    make(2, state="queued")
    living = queries.living_in("condor")
    Pilot.objects.filter(number=0).update(state=PilotState.DONE, exit_code=0)
    moved = logic.observe_many([(pilot, Sighting(PilotState.RUNNING)) for pilot in living], now=NOW)
    assert [pilot.batch_id for pilot, _ in moved] == ["7.1"]
    assert list(Pilot.objects.order_by("number").values_list("state", flat=True)) == ["done", "running"]


def test_an_illegal_move_is_refused_before_anything_is_written():
    make(2, state="queued")
    first, second = queries.living_in("condor")
    news = [(first, Sighting(PilotState.RUNNING)), (second, Sighting(PilotState.SUBMITTED))]
    with pytest.raises(IllegalMove):
        logic.observe_many(news, now=NOW)
    assert set(Pilot.objects.values_list("state", flat=True)) == {"queued"}


def test_those_that_live_in_a_system_are_answered_for_all_queues_oldest_first(django_assert_num_queries):
    make(2, state="queued")
    make(1, queue="R", submission="t", state="held", batch_id="8.0")
    make(1, submission="u", state="submitted", batch_id="")
    make(1, submission="v", state="done")
    make(1, submission="w", state="running", batch_system="local")
    with django_assert_num_queries(1):
        found = [(pilot.queue, pilot.batch_id) for pilot in queries.living_in("condor")]
    assert found == [("Q", "7.0"), ("Q", "7.1"), ("R", "8.0")]


def test_what_a_pilot_said_while_its_batch_system_was_asked_is_kept():
    make(1, state="running")
    (read,) = queries.living_in("condor")
    Pilot.objects.update(started_at=EARLIER, node="wn7")
    logic.observe_many([(read, Sighting(PilotState.DONE, 0, ended=NOW))], now=NOW)
    assert Pilot.objects.filter(state="done", started_at=EARLIER, node="wn7", ended_at=NOW).exists()
