"""What Harvesters say is kept as it was said last; what does not fit is refused by its name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from pilot.contract.codec import ContractError
from server.harvester import logic, queries
from server.harvester.models import Command, Dialog, Harvester, HarvesterWorker, ServiceMetric, WorkerCount

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WORKER = {
    "workerID": 7,
    "status": "running",
    "computingSite": "LOCAL",
    "batchID": "4711.0",
    "nCore": 8,
    "startTime": "datetime/2026-11-22 11:00:00.250000",
    "diagMessage": "two\nlines",
    "jdl": "/some/file",
}


def counted(**states):
    return json.dumps({"managed": {"SCORE": states}})


def test_a_heartbeat_is_kept_with_what_was_said_last():
    logic.beat("H1", {"sw_version": "1.0"}, now=NOW)
    logic.beat("H1", None, now=NOW + timedelta(minutes=1))
    found = Harvester.objects.get()
    assert (str(found), found.said) == ("H1", {"sw_version": "1.0"})
    assert found.heartbeat_at == NOW + timedelta(minutes=1)


def test_a_worker_is_kept_as_it_was_described_last():
    assert logic.workers_said("H1", [WORKER], now=NOW) == [True]
    assert logic.workers_said("H1", [{**WORKER, "status": "finished"}], now=NOW) == [True]
    found = HarvesterWorker.objects.get()
    assert (str(found), found.state, found.batch_id, found.cores) == ("H1/7", "finished", "4711.0", 8)
    assert (found.started_at.hour, found.words) == (11, "two lines")
    assert (queries.newest_worker("H1"), queries.newest_worker("H2")) == (7, 0)


@pytest.mark.parametrize(
    "wrong", [{"workerID": "x"}, {"status": "asleep"}, {"batchID": "x" * 81}, {"nCore": 2**70}, {"nodeID": "a\x07"}]
)
def test_a_worker_that_is_not_understood_does_not_keep_the_others_from_being_taken(wrong):
    assert logic.workers_said("H1", [{**WORKER, **wrong}, {**WORKER, "workerID": 8}], now=NOW) == [False, True]
    assert [worker.worker_id for worker in HarvesterWorker.objects.all()] == [8]


def test_workers_are_counted_anew_each_time():
    logic.workers_counted("H1", "LOCAL", counted(running=3, submitted=1), now=NOW)
    logic.workers_counted("H1", "LOCAL", counted(running=2), now=NOW)
    logic.workers_counted("H2", "LOCAL", counted(running=5), now=NOW)
    assert queries.worker_counts() == {
        "LOCAL": {
            "H1": {"managed": {"SCORE": {"running": 2}}},
            "H2": {"managed": {"SCORE": {"running": 5}}},
        }
    }


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{", "statistics: JSON of"),
        ("[]", "statistics: JSON of"),
        ('{"a": 1}', "statistics: JSON of"),
        (counted(running="many"), "statistics: running: 'many' is not a whole number"),
        (json.dumps({"x" * 65: {"a": {"b": 1}}}), "statistics: .* is not text of at most 64"),
    ],
)
def test_what_is_no_count_is_refused_and_the_last_one_stays(said, words):
    logic.workers_counted("H1", "LOCAL", counted(running=3), now=NOW)
    with pytest.raises(ContractError, match=words):
        logic.workers_counted("H1", "LOCAL", said, now=NOW)
    assert WorkerCount.objects.get().count == 3


def test_commands_are_given_once_and_in_order_to_those_who_have_workers():
    logic.workers_said("H1", [WORKER], now=NOW)
    logic.workers_said("H2", [{**WORKER, "status": "finished"}], now=NOW)
    logic.workers_counted("H3", "LOCAL", counted(running=1), now=NOW)
    assert logic.sweep("LOCAL", {"status": ["running"]}, by="alice", now=NOW) == 2
    assert logic.sweep("LOCAL", {"status": "ALL"}, by="alice", now=NOW) == 2
    assert logic.sweep("OTHER", {}, by="alice", now=NOW) == 0
    first = logic.give_commands("H1", 1, now=NOW)
    assert [(command.word, command.parameters) for command in first] == [
        ("KILL_WORKERS:LOCAL", {"status": ["running"]})
    ]
    assert len(logic.give_commands("H1", 10, now=NOW)) == 1
    assert logic.give_commands("H1", 10, now=NOW) == logic.give_commands("H2", 10, now=NOW) == []
    numbers = [command.pk for command in first]
    assert [logic.acknowledge(numbers, now=NOW) for _ in range(2)] == [1, 0]
    assert str(Command.objects.first()) == "KILL_WORKERS:LOCAL for H1"


@pytest.mark.parametrize("count", [0, -1, 5001])
def test_a_number_of_commands_that_is_none_is_refused(count):
    with pytest.raises(ContractError, match="n_commands"):
        logic.give_commands("H1", count, now=NOW)


def test_messages_to_people_are_kept_once():
    said = {
        **{"diagID": 3, "moduleName": "submitter", "identifier": "q=LOCAL", "messageLevel": "error"},
        **{"diagMessage": "no\nproxy\0", "creationTime": "datetime/2026-11-22 11:00:00.0"},
    }
    for _ in range(2):
        logic.dialogs_said("H1", [said], now=NOW)
    found = Dialog.objects.get()
    assert (found.level, found.words, found.said_at.hour, found.module) == ("ERROR", "no proxy\ufffd", 11, "submitter")
    with pytest.raises(ContractError, match=r"dialogs\[0\].diagID"):
        logic.dialogs_said("H1", [{}], now=NOW)


def test_figures_of_machines_are_kept():
    logic.metrics_said("H1", [["2026-11-22 11:00:00", "host1", {"cpu_pc": 3.5, "a\0": ["b\0"]}]], now=NOW)
    found = ServiceMetric.objects.get()
    assert (found.host, found.figures) == ("host1", {"cpu_pc": 3.5, "a\ufffd": ["b\ufffd"]})
    assert str(found) == "host1 at 2026-11-22 11:00"


@pytest.mark.parametrize("entry", [7, [], ["2026-11-22", "host1", 3], ["x", "host1", {}], [None, "h" * 101, {}]])
def test_what_are_no_figures_is_refused(entry):
    with pytest.raises(ContractError, match=r"metrics\[0\]"):
        logic.metrics_said("H1", [entry], now=NOW)
    assert not ServiceMetric.objects.exists()


@pytest.mark.parametrize("name", ["x" * 51, "a\nb"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ContractError, match="harvester_id"):
        logic.beat(name, None, now=NOW)


def test_what_is_nested_too_deeply_is_refused_however_it_came():
    deep = json.loads('{"a":' * 900 + "1" + "}" * 900)
    with pytest.raises(ContractError, match="nested deeper than 100 levels"):
        logic.beat("H1", deep, now=NOW)
    with pytest.raises(ContractError, match="nested deeper than 100 levels"):
        logic.metrics_said("H1", [[None, "host1", deep]], now=NOW)
    assert not ServiceMetric.objects.exists()


@pytest.mark.parametrize("number", [float("inf"), float("nan"), 1e300, -(2**63)])
def test_a_number_that_no_database_keeps_is_refused(number):
    with pytest.raises(ContractError, match="which is no number of at most 64 bits"):
        logic.metrics_said("H1", [[None, "host1", {"load": [number]}]], now=NOW)
    assert not ServiceMetric.objects.exists()


def test_too_many_entries_are_refused_and_not_cut():
    with pytest.raises(ContractError, match="workers: 5001 entries; at most 5000"):
        logic.workers_said("H1", [WORKER] * 5001, now=NOW)


def test_what_is_over_is_forgotten_after_a_month():
    old = NOW - timedelta(days=31)
    logic.workers_said("H1", [{**WORKER, "status": "finished"}, {**WORKER, "workerID": 8}], now=old)
    logic.workers_said("H1", [{**WORKER, "workerID": 9, "status": "failed"}], now=NOW)
    logic.sweep("LOCAL", {}, by="alice", now=old)
    logic.give_commands("H1", 1, now=old)
    logic.sweep("LOCAL", {}, by="alice", now=old)
    logic.metrics_said("H1", [["2026-01-01", "host1", {}]], now=NOW)
    logic.dialogs_said("H1", [{"diagID": 1, "creationTime": "2026-01-01"}, {"diagID": 2}], now=NOW)
    assert logic.prune(now=NOW) == 4
    assert sorted(worker.worker_id for worker in HarvesterWorker.objects.all()) == [8, 9]
    assert Command.objects.get().given_at is None
    assert [dialog.number for dialog in Dialog.objects.all()] == [2]
    assert logic.prune(now=NOW) == 0
