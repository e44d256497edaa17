from __future__ import annotations

import json

import pytest

from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import from_panda
from pilot.contract.queue import QueueData
from pilot.control.lifecycle import Event
from pilot.control.news import Answer, Site
from pilot.control.slot import Slot
from pilot.job import Job, PayloadOutcome

SPEC = JobSpec(id=7, attempt=1, transformation="x", outputs=(FileSpec("out", Role.OUTPUT, "s", "ds"),))


def slot(catchall="", **spec):
    one = JobSpec(id=7, attempt=1, transformation="x", **spec) if spec else SPEC
    return Slot(Job(one), Site(QueueData("Q", catchall=catchall)), "request", 1e9, 0.0)


@pytest.mark.parametrize(
    ("catchall", "debug"),
    [("", False), ("a,setdebugmode b=1", True), ("nosetdebugmode", False), ("x=setdebugmode", False)],
)
def test_a_queue_may_have_all_its_jobs_in_debug_mode(catchall, debug):
    assert slot(catchall).debug is debug
    assert slot(catchall, debug=True).debug


def test_outputs_of_other_names_stand_in_the_place_of_the_ordered_ones_also_for_a_successor(tmp_path):
    one = slot()
    found = (FileSpec("out_0", Role.OUTPUT, "s", "ds"), FileSpec("out_1", Role.OUTPUT, "s", "ds"))
    outcome = PayloadOutcome(0, None, tmp_path, tmp_path, tmp_path)
    one.learn(Answer((7, 1), 1, Event.PAYLOAD_OK, outcome=outcome, metrics={"a": 1}, outputs=found))
    assert (one.job.outcome, one.job.metrics, one.job.spec.outputs) == (outcome, {"a": 1}, found)
    assert from_panda(json.loads(one.record("server", "Q").spec)).outputs == found


def test_an_answer_that_tells_nothing_changes_nothing():
    one = slot()
    before = one.job
    one.learn(Answer((7, 1), 1, Event.GONE))
    assert one.job is before
