"""What can be ordered of Harvesters, and of whom."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pilot.contract.codec import ContractError
from server.harvester import logic, queries
from server.harvester.models import Command

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def order(kind="KILL_WORKERS", parameters=None, **to) -> int:
    return logic.order(kind, parameters or {}, by="a-manager", now=NOW, **to)


@pytest.fixture
def harvesters():
    """H1 and H2 have workers at the queue LOCAL; H3 is known by its heartbeat alone."""
    logic.workers_said("H1", [{"workerID": 7, "status": "running", "computingSite": "LOCAL"}], now=NOW)
    logic.workers_counted("H2", "LOCAL", '{"managed": {"SCORE": {"running": 2}}}', now=NOW)
    logic.beat("H3", None, now=NOW)


def test_an_order_for_a_queue_goes_to_all_that_have_workers_there(harvesters):
    assert order(queue="LOCAL", parameters={"status": "ALL"}) == 2
    told = Command.objects.values_list("harvester", "word", "parameters", "by")
    assert list(told) == [(name, "KILL_WORKERS:LOCAL", {"status": "ALL"}, "a-manager") for name in ("H1", "H2")]
    assert order(queue="NOWHERE") == 0


def test_an_order_for_one_harvester_goes_to_it_alone(harvesters):
    assert order("SYNC_WORKERS_KILL", harvester="H3") == 1
    assert order("REPORT_WORKER_STATS", harvester="H2", queue="LOCAL") == 1
    told = list(Command.objects.values_list("harvester", "word"))
    assert told == [("H3", "SYNC_WORKERS_KILL"), ("H2", "REPORT_WORKER_STATS:LOCAL")]


def test_what_is_ordered_for_a_queue_is_given_to_a_token_for_it(harvesters):
    order("REPORT_WORKER_STATS", queue="LOCAL"), order("SYNC_WORKERS_KILL", harvester="H1")
    given = logic.give_commands("H1", 10, queues=["LOCAL"], now=NOW)
    assert [command.word for command in given] == ["REPORT_WORKER_STATS:LOCAL"]
    assert [command.word for command in logic.give_commands("H1", 10, now=NOW)] == ["SYNC_WORKERS_KILL"]


@pytest.mark.parametrize(
    ("kind", "to", "words"),
    [
        ("DANCE", {"queue": "LOCAL"}, "kind: 'DANCE' is none of KILL_WORKERS, SYNC_WORKERS_KILL"),
        ("KILL_WORKERS", {"harvester": "H1"}, "panda_queue: missing; KILL_WORKERS is for the workers at one queue"),
        ("SYNC_WORKERS_KILL", {"queue": "LOCAL"}, "panda_queue: 'LOCAL': SYNC_WORKERS_KILL is for no queue"),
        ("SYNC_WORKERS_KILL", {}, "harvester_id: missing"),
        ("KILL_WORKERS", {"queue": "LOCAL", "harvester": "H9"}, "harvester_id: no Harvester 'H9' has been heard of"),
        ("KILL_WORKERS", {"queue": "x" * 190}, "is longer than 200"),
    ],
)
def test_what_cannot_be_ordered_is_refused_by_its_name(harvesters, kind, to, words):
    with pytest.raises(ContractError, match=words):
        order(kind, **to)
    assert not Command.objects.exists()


def test_the_jobs_of_a_worker_are_kept_once_and_what_is_none_is_passed_over():
    worker = {"workerID": 7, "status": "running", "pandaid_list": [5, 6, "7", 0, -1, True, 2**70]}
    for _ in range(2):
        assert logic.workers_said("H1", [worker], now=NOW) == [True]
    logic.took_jobs("H1", 7, [6, 8], now=NOW)
    logic.took_jobs("x" * 51, 7, [9], now=NOW)
    assert logic.workers_said("H1", [{**worker, "pandaid_list": "none"}], now=NOW) == [True]
    assert queries.jobs_of_worker("H1", 7) == [8, 6, 5]
    assert queries.workers_of_job(6) == [("H1", 7)]
    assert queries.workers_of_job(9) == []
