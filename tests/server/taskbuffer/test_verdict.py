"""What becomes of a job: every state against every report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.messages import JobUpdate, StoredFile
from pilot.contract.server_codes import DataServiceCode, DispatcherCode
from pilot.contract.states import REPORTABLE, WITH_PILOT, JobState, may_follow
from server.taskbuffer.values import Errors, Standing
from server.taskbuffer.verdict import (
    STALE,
    Ordered,
    digest_of,
    judge,
    judge_lost,
    missing_outputs,
    name_of,
)

S = JobState
JOB = Standing(7, S.RUNNING, attempt=2, max_attempts=3, bucket=1, priority=0, command="", taskbuffer_error=0)
KILLED = replace(JOB, command="tobekilled")


def update(state: JobState, **fields) -> JobUpdate:
    return JobUpdate(job_id=7, state=state, **{"attempt": 2, **fields})


@pytest.mark.parametrize("reported", sorted(REPORTABLE))
@pytest.mark.parametrize("state", sorted(JobState))
def test_every_report_in_every_state_has_a_verdict_whose_moves_are_in_the_table(state, reported):
    verdict = judge(replace(JOB, state=state), update(reported))
    before = state
    for after in verdict.moves:
        assert may_follow(before, after)
        before = after
    assert verdict.stale is (state not in WITH_PILOT)
    assert not (verdict.stale and verdict.moves)


@pytest.mark.parametrize("attempt", [1, 3])
def test_a_report_on_another_attempt_is_stale_and_its_pilot_is_told_to_stop(attempt):
    assert judge(JOB, update(S.FINISHED, attempt=attempt)) is STALE
    assert STALE.command == "tobekilled"


def test_a_report_without_an_attempt_is_about_the_first():
    assert judge(JOB, update(S.RUNNING, attempt=None)).stale
    assert not judge(replace(JOB, attempt=1), update(S.RUNNING, attempt=None)).stale


@pytest.mark.parametrize(
    ("state", "reported"),
    [
        (S.RUNNING, S.STARTING),
        (S.RUNNING, S.RUNNING),
        (S.HOLDING, S.RUNNING),
        (S.HOLDING, S.HOLDING),
        (S.HOLDING, S.TRANSFERRING),
        (S.TRANSFERRING, S.STARTING),
    ],
)
def test_a_report_that_was_overtaken_counts_as_a_heartbeat(state, reported):
    verdict = judge(replace(JOB, state=state), update(reported))
    assert verdict.moves == ()
    assert verdict.command == "NULL"


def test_success_without_an_ordered_output_is_a_failure_that_names_it():
    verdict = judge(JOB, update(S.FINISHED), missing=("a.root", "b.root"))
    assert verdict.moves == (S.FAILED,)
    assert verdict.errors.data == DataServiceCode.FILE_REPORT
    assert "a.root, b.root" in verdict.errors.words


@pytest.mark.parametrize(
    ("code", "job", "moves"),
    [
        (ErrorCode.STAGE_IN_FAILED, JOB, (S.FAILED, S.ACTIVATED)),
        (ErrorCode.PAYLOAD_FAILED, JOB, (S.FAILED,)),
        (ErrorCode.STAGE_IN_FAILED, replace(JOB, attempt=3, max_attempts=3), (S.FAILED,)),
        (ErrorCode.STAGE_IN_FAILED, KILLED, (S.CANCELLED,)),
        (-1137, JOB, (S.FAILED, S.ACTIVATED)),
        (0, JOB, (S.FAILED,)),
        (999999, JOB, (S.FAILED,)),
    ],
    ids=[
        "passes: again",
        "does not pass: the end",
        "passes, but no attempt is left",
        "killed: cancelled",
        "the pilot asks for another attempt",
        "no code: the end",
        "an unknown code: the end",
    ],
)
def test_a_failure_is_tried_again_only_when_that_may_help(code, job, moves):
    assert judge(job, update(S.FAILED, attempt=job.attempt, pilot_error=int(code))).moves == moves


def test_a_killed_job_that_finished_is_finished():
    assert judge(KILLED, update(S.FINISHED)).moves == (S.FINISHED,)


def test_a_killed_job_that_lost_an_output_is_cancelled():
    assert judge(KILLED, update(S.FINISHED), missing=("a",)).moves == (S.CANCELLED,)


def test_a_heartbeat_is_answered_with_the_command():
    assert judge(KILLED, update(S.RUNNING)).command == "tobekilled"


@pytest.mark.parametrize(
    ("job", "after"),
    [(JOB, S.ACTIVATED), (replace(JOB, attempt=3), S.FAILED), (KILLED, S.CANCELLED)],
)
def test_a_lost_job_is_tried_again_while_attempts_remain(job, after):
    errors = Errors(dispatcher=DispatcherCode.LOST_HEARTBEAT)
    assert judge_lost(job, errors).moves == (after,)


def test_only_outputs_that_must_be_there_are_missed():
    ordered = [
        Ordered(1, "a", is_log=False, may_be_missing=False),
        Ordered(2, "b", is_log=False, may_be_missing=True),
        Ordered(3, "c.tgz", is_log=True, may_be_missing=False),
    ]
    assert missing_outputs(ordered, ()) == ("a",)
    assert missing_outputs(ordered, (StoredFile("a", 1, None),)) == ()
    assert [name_of(file, 2) for file in ordered] == ["a", "b", "c.tgz.2"]


def test_the_digest_is_of_the_outcome_and_not_of_the_clock():
    one = update(S.FINISHED, files=(StoredFile("a", 1, None), StoredFile("b", 2, None)), pilot_timing="1|2")
    same = update(S.FINISHED, files=(StoredFile("b", 2, None), StoredFile("a", 1, None)), pilot_timing="3|4")
    assert digest_of(one) == digest_of(same)
    for other in ({"pilot_error": 1099}, {"exit_status": 1}, {"files": (StoredFile("a", 2, None),)}):
        assert digest_of(update(S.FINISHED, **other)) != digest_of(one)
