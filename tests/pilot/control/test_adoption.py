from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import to_panda
from pilot.contract.messages import StoredFile
from pilot.contract.queue import QueueData
from pilot.control.adoption import Plan, adopted, adoption, job_of, lost, plan
from pilot.control.journal import Record
from pilot.control.lifecycle import Event
from pilot.control.news import Site
from pilot.job import Memory, Phase, Problem, Usage
from pilot.settings.sections import Recovery

LOG = FileSpec("job.log.tgz", Role.LOG)
SPEC = JobSpec(id=7, attempt=2, transformation="x", outputs=(FileSpec("out", Role.OUTPUT),), log=LOG)
TOO_LONG = Problem(ErrorCode.REACHED_MAX_TIME, "too long")
LOST = ErrorCode.PILOT_LOST


def record(phase, **more):
    return Record(7, 2, "server", "Q", phase, 1e9, **{"spec": json.dumps(to_panda(SPEC)), **more})


def planned(found, policy=None, now=1e9 + 60):
    return plan(job_of(found, Path("own")), found, policy or Recovery(), now)


@pytest.mark.parametrize("phase", ["accepted", "staging-in", "running", "stopping"])
def test_a_job_whose_payload_had_not_ended_well_is_lost_and_its_log_is_kept(phase):
    event, problem = planned(record(phase))
    assert (event, problem.code, problem.detail) == (Event.FAIL, LOST, f"its pilot died while the job was {phase}")
    assert planned(record(phase), Recovery(logs=False)) is None


@pytest.mark.parametrize("phase", ["running", "stopping", "staging-out", "staging-log"])
def test_a_job_that_had_failed_already_keeps_its_reason(phase):
    found = record(phase, problem=TOO_LONG)
    assert planned(found) == Plan(Event.FAIL, TOO_LONG)
    assert planned(found, Recovery(logs=False)) is None
    assert lost(found) == TOO_LONG


def test_a_payload_that_was_in_an_allocation_is_brought_back():
    def in_allocation(found, now=1e9 + 60):
        return plan(job_of(found, Path("own")), found, Recovery(), now, allocated=True)

    assert in_allocation(record("running")) == Plan(Event.INPUT_READY)
    assert in_allocation(record("running", problem=TOO_LONG)) == Plan(Event.FAIL, TOO_LONG)
    assert in_allocation(record("stopping")).event is Event.FAIL
    assert in_allocation(record("running"), now=1e10) is None


def test_outputs_that_were_made_are_stored_unless_the_site_has_them_dropped():
    assert planned(record("staging-out")) == Plan(Event.PAYLOAD_OK)
    assert planned(record("staging-out"), Recovery(outputs="drop")).problem.code is LOST


def test_a_job_whose_outputs_are_stored_goes_on_at_its_log():
    assert planned(record("staging-log")) == Plan(Event.OUTPUT_STORED)


@pytest.mark.parametrize(
    ("more", "policy"),
    [
        ({"stored": (StoredFile("job.log.tgz", 9, None),)}, Recovery()),
        ({"spec": json.dumps(to_panda(replace(SPEC, log=None)))}, Recovery()),
        ({}, Recovery(logs=False)),
    ],
)
def test_a_job_that_needs_no_log_any_more_goes_on_at_its_report(more, policy):
    assert planned(record("staging-log", **more), policy) == Plan(Event.LOG_STORED)


@pytest.mark.parametrize("phase", ["running", "staging-out", "staging-log"])
def test_what_is_too_old_is_only_reported(phase):
    assert planned(record(phase), Recovery(age_most=59)) is None
    assert planned(record(phase), Recovery(age_most=61)) is not None


@pytest.mark.parametrize("text", ["", "garbage", "{}", '{"PandaID": 7}'])
def test_a_job_whose_definition_cannot_be_read_is_lost_under_its_number(text):
    found = record("staging-out", spec=text, problem=TOO_LONG)
    assert job_of(found, Path("own")).spec.key == (7, 2)
    assert planned(found) is None


def test_what_was_measured_is_known_again_and_what_is_unknown_is_passed_over():
    usage = Usage(cpu_time=3.0, peak=Memory(pss=5))
    outcome = {"status": 0, "signal": None, "cpu_time": 2.0, "of the future": 1}
    found = record("staging-out", outcome=outcome, usage={**asdict(usage), "of the future": 1}, metrics={"nEvents": 3})
    job = job_of(found, Path("own"))
    assert (job.outcome.status, job.outcome.cpu_time, job.usage, job.metrics) == (0, 2.0, usage, {"nEvents": 3})
    assert job.outcome.stdout == Path("own/PanDA_Pilot-7-2/payload.stdout")


def test_an_adopted_job_has_its_own_time_queue_and_request():
    found = record("staging-out", request_id="r1", spent={"running": 5.0}, node="there")
    slot = adopted(adoption(found, Path("own"), Site(QueueData("Q")), Plan(Event.PAYLOAD_OK)), 77.0)
    assert (slot.adopted, slot.queue, slot.request_id, slot.started, slot.since) == (True, "Q", "r1", 1e9, 77.0)
    course = slot.course("OTHER", 77.0)
    assert (course.spent[Phase.RUNNING], course.queue) == (5.0, "Q")
    assert slot.record("server", "OTHER").spec == found.spec
    assert slot.record("server", "OTHER").node == "there"
