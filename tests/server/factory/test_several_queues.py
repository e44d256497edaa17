"""Queues beside each other: one whose system cannot be opened, those that share a window or an allocation."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.batch.base import BatchFailed, BatchJob, BatchMisconfigured, BatchState, Window
from server.factory import logic, queries
from server.factory.models import FactoryAllocation, FactoryQueue
from server.pandaconfig.logic import define_queue
from server.pandaconfig.models import Schedconfig
from server.pilots import logic as pilots
from server.pilots.models import Pilot
from server.taskbuffer.models import Ready
from tests.server.factory.played import NOW, PlayedBatch, activate

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]
HOUR = timedelta(hours=1)


@pytest.fixture
def other(queue) -> FactoryQueue:
    define_queue({"nickname": "OTHER", "status": "online"})
    return logic.define_queue("OTHER", slots=3)


def test_pilots_of_a_queue_whose_system_cannot_be_opened_are_not_looked_for_in_anothers(cycle, batch, other):
    activate(1), activate(1, "OTHER")
    cycle()
    job = Pilot.objects.get(queue="OTHER").batch_id

    def system_of(name, queue):
        if queue == "OTHER":
            raise BatchMisconfigured("a library is missing")
        return batch

    del batch.jobs[job]  # this system has only those of its own queue
    assert cycle(1, system_of=system_of) == logic.Cycle(failed=1)
    assert set(Pilot.objects.values_list("state", flat=True)) == {"queued"}


def test_queues_that_ask_the_same_of_a_system_are_one_question_for_its_window(cycle, batch, other):
    FactoryQueue.objects.update(rules=["ready", "window"], job_options={"partition": "short"})
    asked = []

    def window(options):
        asked.append(options)
        return Window(nodes=9)

    batch.window = window
    activate(1), activate(1, "OTHER")
    assert cycle().submitted == 2
    assert asked == [{"partition": "short"}]


@pytest.fixture
def granted(queue, other) -> FactoryAllocation:
    """Ten node-hours for both; a pilot of two nodes takes four."""
    one = FactoryAllocation.objects.create(name="project", node_hours=10, since=NOW - 5 * HOUR)
    FactoryQueue.objects.update(rules=["ready", "allocation"], allocation=one, nodes=2, wall_time=7200, cores=1)
    return one


def test_the_same_node_hours_are_not_spent_by_two_queues_or_in_two_cycles(cycle, granted):
    activate(9), activate(9, "OTHER")
    assert cycle().submitted == 2
    assert cycle(1).submitted == 0
    assert "2 node-hours left, a pilot takes 4" in queries.explain("OTHER")["trace"][1]["reason"]


def test_what_an_ended_pilot_did_not_use_is_there_for_others_at_once(cycle, batch, granted):
    activate(9)
    assert cycle().submitted == 2
    batch.all_become(BatchJob(BatchState.DONE, 0, NOW, NOW + HOUR))  # two node-hours each
    assert cycle(3600).submitted == 1
    Ready.objects.all().delete()
    pilots.count_ended(now=NOW + 2 * HOUR)
    activate(9)
    assert cycle(3602).submitted == 0  # four are used, and four set aside
    granted.node_hours = 12
    granted.save()
    assert cycle(3604).submitted == 1


def test_what_no_pilot_can_want_is_the_reason_why_a_queue_gets_none(cycle, other):
    Schedconfig.objects.filter(nickname="OTHER").update(maxtime=2**31 - 1)
    activate(1), activate(1, "OTHER")
    assert cycle() == logic.Cycle(submitted=1, failed=1)
    reason = queries.explain("OTHER")["decision"]["reason"]
    assert "needs.wall_time: 2147483647: give more than 0 and at most 316224000" in reason
    assert "schedconfig" in reason


def test_pilots_of_one_system_are_stopped_also_while_another_does_not_answer(cycle, batch, other, tmp_path):
    silent = PlayedBatch(tmp_path)
    both = {"system_of": lambda name, queue: silent if queue == "OTHER" else batch}
    activate(1), activate(1, "OTHER")
    assert cycle(**both).submitted == 2
    silent.answers = False
    with pytest.raises(BatchFailed, match="^the scheduler is down$"):
        logic.stop_pilots(NOW, **both)
    assert (batch.cancelled, silent.cancelled) == (list(batch.jobs), [])
    silent.answers = True
    assert logic.stop_pilots(NOW, **both) == 2
    assert silent.cancelled == list(silent.jobs)
