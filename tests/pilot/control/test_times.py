from __future__ import annotations

import dataclasses

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.control.lifecycle import Effect
from pilot.control.times import PATIENCE, Times
from pilot.job import Job, Phase
from pilot.settings import Settings, sections

SETTINGS = Settings()
TIMES = Times(SETTINGS)


def overdue(phase, walltime=0, max_time=0):
    job = Job(JobSpec(id=1, attempt=1, transformation="x", max_walltime=walltime), phase=phase)
    return TIMES.overdue(job, QueueData("Q", max_time=max_time))


@pytest.mark.parametrize(("walltime", "max_time", "limit"), [(60, 100, 60), (0, 100, 100)])
def test_a_payload_may_run_as_long_as_its_job_asks_else_as_the_queue_allows(walltime, max_time, limit):
    seconds, problem = overdue(Phase.RUNNING, walltime, max_time)
    assert (seconds, problem.code) == (limit, ErrorCode.REACHED_MAX_TIME)


def test_what_is_lent_is_not_overdue_while_its_lease_goes_on():
    lending = Times(Settings(job=sections.Job(workflow="stager")))
    job = Job(JobSpec(id=1, attempt=1, transformation="x", max_walltime=60), phase=Phase.RUNNING)
    assert lending.overdue(job, QueueData("Q", max_time=100)) is None
    assert lending.overdue(job.evolve(phase=Phase.STOPPING), QueueData("Q")) is not None


def test_the_time_of_a_gathered_payload_is_its_ranks_to_watch():
    gathers = Times(Settings(job=sections.Job(workflow="hpc")))
    job = Job(JobSpec(id=1, attempt=1, transformation="x", max_walltime=60), phase=Phase.RUNNING)
    assert gathers.overdue(job, QueueData("Q", max_time=100)) is None
    assert gathers.overdue(job.evolve(phase=Phase.STOPPING), QueueData("Q")) is not None


def test_a_payload_that_nobody_limits_has_no_limit():
    assert overdue(Phase.RUNNING) is None


@pytest.mark.parametrize("phase", [Phase.STAGING_IN, Phase.STAGING_OUT, Phase.STOPPING, Phase.STAGING_LOG])
def test_who_is_asked_to_end_by_a_time_is_given_some_patience_beyond_it(phase):
    seconds, problem = overdue(phase)
    given = {
        Phase.STAGING_IN: Effect.STAGE_IN,
        Phase.STAGING_OUT: Effect.STAGE_OUT,
        Phase.STOPPING: Effect.STOP_PAYLOAD,
        Phase.STAGING_LOG: Effect.STAGE_LOG,
    }[phase]
    assert seconds == TIMES.given(given) + PATIENCE
    assert problem.code.passes


@pytest.mark.parametrize("phase", [Phase.ACCEPTED, Phase.REPORTING])
def test_other_phases_have_no_time(phase):
    assert overdue(phase) is None


def test_waits_for_a_report_double_up_to_a_limit():
    server = dataclasses.replace(SETTINGS.server, report_wait=1.0, report_wait_most=5.0)
    times = Times(dataclasses.replace(SETTINGS, server=server))
    assert [times.report_wait(tries) for tries in (0, 1, 2, 3, 1000)] == [1, 2, 4, 5, 5]


def test_a_queue_may_give_payloads_more_time_than_their_jobs_ask_for():
    job = Job(JobSpec(id=1, attempt=1, transformation="x", max_walltime=60), phase=Phase.RUNNING)
    seconds, problem = TIMES.overdue(job, QueueData("Q", params={"pilot_walltime_grace": 50}))
    assert seconds == 90.0
    assert "90 s" in problem.detail
