"""The limits of a type, a site and a task act in the steps, which read them once in a cycle."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from server.production.models import MergeGroup, Task
from server.production.queries import task_json
from server.production.reference.models import Site, TaskKind
from server.production.steps import merge, submit
from server.taskbuffer.models import Job
from tests.server.production.conftest import define_data, turn


@pytest.fixture
def site(queue) -> Site:
    return Site.objects.create(name="CERN", queue="LOCAL", limits={"jobs_per_task": 2})


def test_a_site_bounds_what_each_task_sends_there(site):
    define_data()
    assert [submit.submit_chunks(), submit.submit_chunks()] == [2, 2]


def test_a_task_of_its_own_type_sends_as_its_type_says_unless_its_site_says_less(site):
    TaskKind.objects.create(word="dy_mass", label="DY", chain="mass_production", limits={"jobs_per_task": 4})
    define_data(kind="mass_production")
    Task.objects.update(kind="dy_mass")
    assert submit.submit_chunks() == 2
    Site.objects.update(limits={})
    assert submit.submit_chunks() == 4


def test_a_site_says_how_many_jobs_its_queue_holds(site):
    Site.objects.update(limits={"queued_per_queue": 3})
    define_data()
    assert [submit.submit_chunks(), submit.submit_chunks()] == [3, 0]
    assert Job.objects.count() == 3


def test_a_tasks_merges_are_packed_by_its_own_limits(queue, pilot):
    task = define_data(runs=1, chunks=3, limits={"merge_files": 2})
    turn()
    pilot.run()
    turn()
    merge.merge_mdst()
    groups = MergeGroup.objects.filter(task=task, kind="mdst")
    assert [group.inputs.count() for group in groups.order_by("number")] == [2, 1]


def test_where_a_limit_comes_from_is_told(site):
    task = define_data(limits={"probe_jobs": 3})
    found = {limit["name"]: (limit["value"], limit["from"]) for limit in task_json(task)["limits"]}
    assert found["jobs_per_task"] == (2, "site CERN")
    assert found["probe_jobs"] == (3, "task")
    assert found["retry_delay"] == (0, "settings")
    assert found["merge_files"] == (1000, "default")


def test_a_cycle_asks_as_often_for_many_sites_and_tasks_as_for_one(site):
    counts = []
    for number in range(3):
        task = define_data(runs=1, chunks=1, name=f"data{number}", slot=number)
        task.chunks.update(state="manual_check")
        Site.objects.create(name=f"S{number}")
        with CaptureQueriesContext(connection) as asked:
            submit.submit_chunks()
        counts.append(len(asked))
    # The first one reads what brokerage keeps for some seconds, too.
    assert counts[1] == counts[2] <= counts[0]
