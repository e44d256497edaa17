"""What the first page decides: which services and credentials come first, and which queues are named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.desk.dashboard import (
    MOST,
    dashboard,
    health,
    job_counts,
    lasting,
    pilot_counts,
    queue_states,
    service_states,
)
from server.services.queries import ServiceLine

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def line(name="one", **values):
    said = {"what": "", "enabled": True, "period": 60.0, "last_run": NOW, "next_run": NOW, "failures": 0}
    return ServiceLine(name, **{**said, "outcome": "done", "words": "", **values})


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("off", {"enabled": False, "late_since": NOW}),
        ("late", {"late_since": NOW, "failures": 2}),
        ("running", {"owner": "me", "failures": 2}),
        ("failing", {"failures": 1}),
        ("new", {"last_run": None}),
        ("well", {}),
    ],
)
def test_a_service_has_one_word_for_how_it_does(word, values):
    assert health(line(**values)) == word


def test_services_that_are_late_or_fail_stand_by_themselves():
    lines = [line("a"), line("b", enabled=False), line("c", failures=3), line("d", late_since=NOW), line("e")]
    found = service_states(lines)
    assert [one.name for one in found.looked_at] == ["d", "c"]
    assert [one.name for one in found.others] == ["a", "e", "b"]
    assert found.counts == [("late", 1), ("failing", 1), ("well", 2), ("off", 1)]


def test_without_a_service_there_is_nothing_to_show():
    assert not service_states([])


def test_a_service_that_runs_is_not_asked_to_run():
    (one,) = service_states([line(owner="me")]).others
    assert not one.may_run


def test_queues_are_counted_by_status_and_those_not_online_named():
    found = queue_states({"B": "offline", "A": "online", "C": "weird"}, {"A": 3, "B": 4}, {"B": "offline until noon"})
    assert found.counts == [("online", 1), ("test", 0), ("offline", 1), ("brokeroff", 0), ("weird", 1)]
    assert found.others == [("B", "offline", "offline until noon"), ("C", "weird", "")]
    assert (found.waiting, found.more) == (7, 0)


def test_not_more_queues_are_named_than_a_page_can_hold():
    found = queue_states({f"Q{number:02}": "offline" for number in range(MOST + 3)}, {}, {})
    assert (len(found.others), found.more) == (MOST, 3)


def test_without_queues_there_is_nothing_to_count():
    assert queue_states({}, {}, {}).counts == []


def test_pilots_of_all_queues_are_summed_by_state():
    counts = pilot_counts({("A", "running"): 2, ("B", "running"): 3, ("A", "queued"): 1})
    assert counts.states == [("queued", 1), ("running", 5)]
    assert counts.total == 6


def test_states_of_jobs_stand_in_the_order_of_a_jobs_life():
    assert [state for state, _ in job_counts({"closed": 1, "defined": 2}).states] == [
        "defined", "activated", "running", "finished", "failed", "closed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(days=3, hours=5), "3 d"),
        (timedelta(hours=5), "5 h"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(seconds=-5), ""),
    ],
)
def test_a_time_is_said_in_its_largest_unit(time, words):
    assert lasting(time.total_seconds()) == words


@pytest.mark.django_db
def test_what_somebody_may_not_look_at_is_not_even_read(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert dashboard(lambda _: False, NOW) == {}
    assert list(dashboard("pilots.view_pilot".__eq__, NOW)) == ["pilots"]
