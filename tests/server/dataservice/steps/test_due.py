"""What is due is found by an index, whatever else waits: the query plans of SQLite are read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from server.dataservice import logic
from server.dataservice.models import Lane, Transfer
from server.dataservice.states import TransferKind, TransferState
from server.dataservice.steps import pins
from server.dataservice.steps.due import due, lines
from tests.server.dataservice.conftest import filled, nothing

K, S = TransferKind, TransferState
INDEX = "USING INDEX transfers_by_lane (lane_id=? AND state=? AND due"
COVERING = "USING COVERING INDEX transfers_by_lane (lane_id=? AND state=? AND due"


def plans(ask) -> list[str]:
    """Answer how SQLite goes about what is selected from transfers."""
    with CaptureQueriesContext(connection) as asked:
        ask()
    found = []
    for query in asked:
        if query["sql"].startswith("SELECT") and "dataservice_transfer" in query["sql"]:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                found += [str(row[3]) for row in cursor.fetchall()]
    return found


def wished(world, count: int = 5, lifetime: float = 60.0, **more):
    return logic.request_prestage(filled(world, count, **more), "TAPE", lifetime, "manager", now=world.now)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plans of SQLite are read")
@pytest.mark.parametrize("state", [S.REQUESTED, S.ON_DISK, S.ON_TAPE])
def test_what_is_due_is_reached_by_the_index_in_its_order(world, state):
    wished(world)
    Transfer.objects.update(state=state.value)
    (line,) = lines([K.PRESTAGE], [state], world.now)
    for ask in (lambda: lines(tuple(K), [state], world.now), lambda: due(line, world.now, most=3)):
        told = [step for step in plans(ask) if step.startswith(("SEARCH", "SCAN", "USE TEMP"))]
        steps = [step for step in told if "dataservice_lane" not in step]
        assert steps
        assert all(INDEX in step or COVERING in step for step in steps), steps


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plans of SQLite are read")
def test_pins_that_end_and_wishes_that_are_over_are_reached_by_their_indexes(world):
    wished(world)
    Transfer.objects.update(state=S.PINNED, pinned_until=world.now, wanted_until=world.now + timedelta(days=1))
    for ask, index in (
        (lambda: pins.expire(world.now - timedelta(hours=1)), "transfers_by_pin (state=? AND pinned_until<?)"),
        (
            lambda: pins.prolong(world.rims, world.now - timedelta(hours=1), nothing, set()),
            "transfers_by_pin (state=? AND pinned_until>? AND pinned_until<?)",
        ),
        (
            lambda: pins.release_unwanted(world.rims, world.now, nothing, set()),
            "transfers_by_wish (state=? AND wanted_until<?)",
        ),
    ):
        assert index in plans(ask)[0]


def test_what_waits_for_longest_comes_first_and_no_more_than_is_asked_for(world):
    slow = wished(world, 3, 7200.0, dataset="slow")
    world.later(minutes=1)
    wished(world, 3, 60.0, dataset="quick")
    first, second = lines([K.PRESTAGE, K.DELETE], [S.REQUESTED], world.now)
    assert (first.lane.lifetime, second.lane.lifetime) == (7200.0, 60.0)
    assert due(first, world.now, most=2) == list(slow.transfers.order_by("pk").values_list("pk", flat=True)[:2])
    assert len(due(first, world.now, most=10)) == 3


def test_what_is_not_due_or_belongs_to_a_call_or_is_over_is_left(world):
    request = wished(world, 4)
    later, called, over, ready = request.transfers.order_by("pk").values_list("pk", flat=True)
    Transfer.objects.filter(pk=later).update(due=world.now + timedelta(minutes=5))
    Transfer.objects.filter(pk=over).update(wanted_until=world.now)
    world.submit()
    Transfer.objects.exclude(pk=called).update(submission=None)
    Transfer.objects.update(state=S.REQUESTED)
    (line,) = lines([K.PRESTAGE], [S.REQUESTED], world.now)
    assert due(line, world.now, most=10) == [ready]


def test_what_a_wrong_clock_has_put_off_for_years_is_due(world):
    wished(world, 2)
    Transfer.objects.update(due=world.now + timedelta(days=3000))
    (line,) = lines([K.PRESTAGE], [S.REQUESTED], world.now)
    assert line.first == world.now
    assert len(due(line, world.now, most=10)) == 2


def test_requests_that_are_alike_share_a_lane_and_a_call(world):
    for name in ("a", "b", "c"):
        wished(world, 2, dataset=name)
    assert Lane.objects.count() == 1
    assert world.submit() == 6
    assert world.tape.calls == ["recall"]


def test_copies_from_two_storages_go_in_two_calls(world):
    files = [*filled(world, 2, at="DISK", dataset="a"), *filled(world, 2, at="TAPE", dataset="b")]
    logic.request_prestage(files[2:], "TAPE", 60.0, "manager", now=world.now)
    world.submit()
    world.tape.work()
    world.turn()
    logic.request_replicate(files, "FAR", "manager", now=world.now)
    kinds = [(line.lane.kind, line.lane.source) for line in lines([K.REPLICATE], [S.REQUESTED], world.now)]
    assert kinds == [("replicate", "DISK"), ("replicate", "TAPE")]
    world.submit()
    assert len(world.porter.requests) == 2
