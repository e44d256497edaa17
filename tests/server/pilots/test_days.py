"""Pilots that have ended are counted once, by day, queue and node; what is old is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.manage.figures import Figures
from server.pilots import logic, queries
from server.pilots.models import Node, NodeGpus, Pilot, PilotUse, Worker
from server.pilots.queries import Use
from server.services.registry import Turn, declared
from server.taskbuffer.models import Attempt
from tests.server.jobs import claim, submit

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = NOW.date()
pytestmark = [pytest.mark.django_db, pytest.mark.one_python]


def ended(number: int, *, seconds: float = 100, ago: float = 600, **columns) -> Pilot:
    end = NOW - timedelta(seconds=ago)
    values = {"queue": "LOCAL", "batch_system": "local", "submission": "s", "state": "done", "exit_code": 82, **columns}
    begin = end - timedelta(seconds=seconds)
    times = {"submitted_at": begin, "started_at": begin, "ended_at": end}
    return Pilot.objects.create(number=number, batch_id=f"s/{number}", **times, **values)


def test_what_has_ended_is_added_up_by_day_queue_and_node_and_never_twice():
    ended(0, node="wn1"), ended(1, node="wn1", exit_code=94, seconds=10), ended(2, node="wn2", state="lost")
    ended(3, node="wn1", ago=86400), ended(4, queue="OTHER")
    for expected in (5, 0):
        assert logic.count_ended(now=NOW) == expected
    rows = PilotUse.objects.order_by("day", "queue", "node").values_list(
        "queue", "node", "pilots", "failed", "wall_seconds"
    )
    assert list(rows) == [
        ("LOCAL", "wn1", 1, 0, 100),
        ("LOCAL", "wn1", 2, 1, 110),
        ("LOCAL", "wn2", 1, 0, 100),
        ("OTHER", "", 1, 0, 100),
    ]
    ended(5, node="wn1")
    assert logic.count_ended(now=NOW) == 1
    assert PilotUse.objects.get(day=DAY, node="wn1").pilots == 3


def test_the_last_reports_of_its_jobs_are_waited_for():
    ended(0, ago=60)
    assert logic.count_ended(now=NOW) == 0
    assert logic.count_ended(now=NOW + timedelta(minutes=2)) == 1


def test_more_pilots_than_one_transaction_has_are_all_counted(monkeypatch):
    monkeypatch.setattr("server.pilots.logic.days._CHUNK", 2)
    for number in range(5):
        ended(number)
    signs = []
    assert logic.count_ended(now=NOW, keep=lambda: signs.append(1)) == 5
    assert len(signs) == 3
    assert PilotUse.objects.get().pilots == 5


def test_the_time_with_a_job_is_that_of_its_own_tries(queue):
    pilot = ended(0, jobs=1, exit_code=90)
    (mine, elses) = submit(2)
    claim(batch_id=pilot.batch_id), claim(batch_id=pilot.batch_id)
    times = {"sent_at": pilot.started_at + timedelta(seconds=20), "ended_at": pilot.ended_at, "state": "failed"}
    Attempt.objects.filter(job=mine).update(**times)
    # The batch system gave the same number to a pilot of last month.
    Attempt.objects.filter(job=elses).update(sent_at=pilot.submitted_at - timedelta(days=30), ended_at=pilot.ended_at)
    logic.count_ended(now=NOW)
    ((day, use),) = queries.use_by_day("LOCAL", first=DAY)
    assert (day, use.jobs, use.jobs_failed, use.busy_seconds, use.percent) == (DAY, 1, 1, 80, 80)


def test_the_days_of_a_queue_come_latest_first():
    ended(0), ended(1, ago=86400, node="wn1"), ended(2, ago=86400, node="wn2"), ended(3, ago=3 * 86400)
    logic.count_ended(now=NOW)
    found = queries.use_by_day("LOCAL", first=DAY - timedelta(days=1))
    assert [(day, use.pilots) for day, use in found] == [(DAY, 1), (DAY - timedelta(days=1), 2)]
    assert queries.use_by_queue(first=DAY)["LOCAL"].jobless == 1


def test_nodes_that_eat_pilots_or_jobs_come_first_and_are_suspect():
    def use(node: str, **sums) -> None:
        PilotUse.objects.create(day=DAY, queue="LOCAL", node=node, **sums)

    use("well", pilots=500, failed=40, jobs=500, jobs_failed=40), use("young", pilots=4, failed=4)
    (
        use("eats-jobs", pilots=9, jobs=60, jobs_failed=50),
        use("eats-pilots", pilots=60, failed=20, lost=11),
        use("", pilots=9, failed=9),
    )
    found = queries.use_by_node(first=DAY)
    assert [line.node for line in found] == ["eats-jobs", "eats-pilots", "well", "young"]
    assert [line.use.is_suspect for line in found] == [True, True, False, False]
    assert [line.node for line in queries.use_by_node(first=DAY, most=1)] == ["well"]
    assert queries.use_by_node(first=DAY, queue="OTHER") == []


def test_without_any_time_there_is_no_efficiency():
    assert Use().efficiency is None
    assert Use(wall_seconds=3, busy_seconds=1).as_json()["efficiency"] == 0.3333


def test_the_cost_of_today_is_exposed(monkeypatch):
    ended(0), ended(1, exit_code=94)
    logic.count_ended(now=NOW)
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    found = {family.name: family for family in Figures().collect()}
    kinds = {tuple(one.labels.values()): one.value for one in found["compass_pilots_ended_today"].samples}
    assert (kinds["LOCAL", "pilots"], kinds["LOCAL", "failed"]) == (2, 1)
    assert {one.value for one in found["compass_pilot_seconds_today"].samples} == {200, 0}


def test_what_is_old_is_forgotten_and_what_is_not_is_kept(settings):
    for name, days in (("old", 31), ("new", 29)):
        moment = NOW - timedelta(days=days)
        Worker.objects.create(harvester_id=name, worker_id=1, state="started", started_at=moment)
        Worker.objects.create(harvester_id=name, worker_id=2, state="finished", started_at=None, finished_at=moment)
        Node.objects.create(site="S", host=name, cpu_model="m", seen_at=moment)
        NodeGpus.objects.create(site="S", host=name, vendor="v", model="m", count=1, seen_at=moment)
    Worker.objects.create(
        harvester_id="long", worker_id=3, state="finished", started_at=NOW - timedelta(days=40), finished_at=NOW
    )
    for days in (367, 365):
        PilotUse.objects.create(day=DAY - timedelta(days=days), queue="LOCAL")
    assert settings.ENVIRONMENT.worker_days == 30
    assert declared()["pilots.prune"](Turn("pilots.prune", NOW, lambda: None)) == {"pilots": 0, "deleted": 5}
    assert set(Worker.objects.values_list("harvester_id", flat=True)) == {"new", "long"}
    assert [node.host for node in Node.objects.all()] == [gpus.host for gpus in NodeGpus.objects.all()] == ["new"]
    assert PilotUse.objects.count() == 1


def test_the_service_counts():
    ended(0)
    assert declared()["pilots.count"](Turn("pilots.count", NOW, lambda: None)) == {"counted": 1}
