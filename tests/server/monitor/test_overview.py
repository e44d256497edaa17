"""A service's health is told in one word, and states of jobs keep the order of a job's life."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.monitor.overview import service_line, tiles
from server.services.queries import ServiceLine

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def service(*, ago=5.0, enabled=True, failures=0, late=False):
    last = None if ago is None else NOW - timedelta(seconds=ago)
    return ServiceLine(
        "production.submit",
        "what",
        enabled,
        10.0,
        last,
        None,
        failures,
        "done",
        "",
        late_since=NOW - timedelta(seconds=1) if late else None,
    )


@pytest.mark.parametrize(
    ("line", "health", "said"),
    [
        (service(), "well", "5 s ago"),
        (service(ago=59.0), "well", "59 s ago"),
        (service(ago=61.0, late=True), "late", "1 min ago"),
        (service(ago=7200.0, late=True, failures=2), "late", "2 h ago"),
        (service(ago=180000.0), "well", "2 d ago"),
        (service(ago=None, late=True), "late", "has not run yet"),
        (service(failures=1), "failing", "5 s ago"),
        (service(ago=None), "new", "has not run yet"),
        (service(enabled=False, failures=3), "off", "switched off"),
    ],
)
def test_a_service_is_judged_by_its_last_run_and_by_whether_it_is_late(line, health, said):
    found = service_line(line, NOW)
    assert (found.health, found.said) == (health, said)


def test_states_without_jobs_are_left_out_but_for_the_four_that_matter():
    assert [(tile.state, tile.count) for tile in tiles({"holding": 1, "failed": 2, "pending": 0})] == [
        ("activated", 0),
        ("running", 0),
        ("holding", 1),
        ("finished", 0),
        ("failed", 2),
    ]
