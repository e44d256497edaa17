from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from django.db import IntegrityError

from server.pilots import fleet, logic
from server.pilots.logic import Place, Sighting
from server.pilots.models import Pilot
from server.pilots.states import LIVING, MOVES, PilotState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def make(number: int = 0, **columns) -> Pilot:
    values = {"queue": "Q", "batch_system": "local", "submission": "s", "submitted_at": NOW, **columns}
    return Pilot.objects.create(number=number, **values)


def test_rows_are_ordered_once():
    logic.order("Q", "local", "s", 3, now=NOW)
    assert [str(pilot) for pilot in Pilot.objects.order_by("pk")] == ["s/0", "s/1", "s/2"]
    assert [one.submission for one in fleet.unconfirmed()] == ["s"]
    with pytest.raises(IntegrityError):
        logic.order("Q", "local", "s", 1, now=NOW)


def test_what_the_batch_system_has_is_confirmed_and_the_rest_is_lost():
    logic.order("Q", "local", "s", 2, now=NOW)
    assert logic.confirm("s", {1: Place("s/1", "/logs/1")}, now=at(5), missing="nobody took it") == 1
    lost, taken = Pilot.objects.order_by("number")
    assert (lost.state, lost.words, lost.ended_at) == ("lost", "nobody took it", at(5))
    assert (taken.state, taken.batch_id, taken.directory) == ("queued", "s/1", "/logs/1")
    assert fleet.unconfirmed() == []
    assert logic.confirm("s", {}, now=at(6), missing="again") == 0


@pytest.mark.parametrize(("before", "after"), sorted(product(PilotState, PilotState)))
def test_a_pilot_moves_as_its_table_says_and_never_after_its_end(before, after):
    pilot = make(state=before)
    legal = (before, after) in MOVES
    if before not in LIVING or before is after:
        assert not legal
        assert not logic.observe(pilot, Sighting(after), now=NOW)
    elif legal:
        assert logic.observe(pilot, Sighting(after), now=NOW)
    pilot.refresh_from_db()
    assert pilot.state == (after if legal else before)
    assert (pilot.ended_at is not None) is (legal and after not in LIVING)


def test_somebody_elses_news_is_not_overwritten():
    pilot = make(state=PilotState.QUEUED)
    Pilot.objects.update(state=PilotState.DONE)
    assert not logic.observe(pilot, Sighting(PilotState.RUNNING), now=NOW)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended well"),
        (69, "no space"),
        (82, "there was no work for it"),
        (137, "ended by SIGKILL"),
        (127, "its program was not found"),
        (55, "unknown exit code"),
        (None, ""),
    ],
)
def test_an_exit_code_has_words(code, words):
    pilot = make(state=PilotState.RUNNING)
    logic.observe(pilot, Sighting(PilotState.DONE, code), now=NOW)
    pilot.refresh_from_db()
    assert pilot.words == words


def test_jobs_are_counted_once_for_each_request(django_assert_num_queries):
    make(batch_id="s/0")
    logic.took_jobs("s/0", "Q", "request-1", 2)
    logic.took_jobs("s/0", "Q", "request-1", 2)
    logic.took_jobs("s/0", "Q", "request-2", 1)
    with django_assert_num_queries(1):
        logic.took_jobs("of somebody else", "Q", "request-3", 1)
        logic.took_jobs("", "Q", "request-4", 1)
    assert Pilot.objects.get().jobs == 3


def test_jobs_of_one_queue_are_not_counted_for_a_pilot_of_another_that_has_the_same_id():
    mine, other = make(batch_id="12_0"), make(batch_id="12_0", queue="OTHER", submission="t")
    logic.took_jobs("12_0", "Q", "request-1", 1)
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.jobs, other.jobs) == (1, 0)
