"""The job table, held against what any such table must satisfy."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.control.lifecycle import (
    ORDERS,
    TABLE,
    TERMINAL,
    TOO_LATE,
    Effect,
    Event,
    IllegalTransition,
    advance,
    given_back,
)
from pilot.job import Job, Phase, Problem

E, P = Event, Phase
HAPPY = (E.BEGIN, E.INPUT_READY, E.PAYLOAD_OK, E.OUTPUT_STORED, E.LOG_STORED, E.TAKEN)
LIVING = [phase for phase in Phase if phase not in TERMINAL]
WORKING = [P.STAGING_IN, P.RUNNING, P.STAGING_OUT]
FIRST = Problem(ErrorCode.PAYLOAD_LOOPING, "it hangs")
LATER = Problem(ErrorCode.STAGE_OUT_FAILED, "it broke")


def job(phase=P.ACCEPTED, **more):
    return Job(JobSpec(id=7, attempt=1, transformation="true"), phase=phase, **more)


def live(one, *events, problem=None):
    for event in events:
        one, _ = advance(one, event, problem)
    return one


def test_a_job_that_meets_no_trouble_is_done():
    assert live(job(), *HAPPY).phase is P.DONE


def test_every_step_of_a_job_that_meets_no_trouble_has_its_effect():
    effects, one = [], job()
    for event in HAPPY:
        one, some = advance(one, event)
        effects += some
    assert effects == [
        Effect.REPORT,
        Effect.STAGE_IN,
        Effect.REPORT,
        Effect.RUN_PAYLOAD,
        Effect.STAGE_OUT,
        Effect.STAGE_LOG,
        Effect.FINAL_REPORT,
        Effect.CLEAN,
    ]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("phase", LIVING)
def test_an_order_is_never_illegal_while_a_job_lives(phase, order):
    after, _ = advance(job(phase), order, FIRST)
    assert after.phase not in TERMINAL


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("phase", WORKING)
def test_an_order_stops_what_is_being_done(phase, order):
    after, effects = advance(job(phase), order, FIRST)
    assert after.phase is P.STOPPING
    assert effects == ((Effect.STOP_PAYLOAD,) if phase is P.RUNNING else (Effect.CANCEL_COPIES,))
    assert after.problem == FIRST


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("phase", sorted(TOO_LATE))
def test_an_order_changes_nothing_once_the_work_is_done(phase, order):
    after, effects = advance(job(phase), order, FIRST)
    assert (after.phase, after.step, after.problem, effects) == (phase, 0, None, ())


@pytest.mark.parametrize("event", [E.FAIL, *ORDERS, E.OVERDUE])
@pytest.mark.parametrize("phase", [P.ACCEPTED, *WORKING])
def test_a_failure_in_any_phase_comes_to_rest_stores_the_log_and_is_reported(phase, event):
    one, effects = advance(job(phase), event, FIRST)
    if one.phase is P.STOPPING:
        one, effects = advance(one, E.GONE)
    assert effects == (Effect.STAGE_LOG,)
    one, effects = advance(one, E.LOG_STORED)
    assert effects == (Effect.FINAL_REPORT,)
    assert live(one, E.TAKEN).phase is P.FAILED


def test_a_payload_that_is_killed_softly_ends_in_its_own_time_and_the_job_has_failed():
    asked, effects = advance(job(P.RUNNING), E.SOFT_KILL, FIRST)
    assert (asked.phase, asked.step, asked.problem, effects) == (P.RUNNING, 0, FIRST, (Effect.ASK_PAYLOAD,))
    for end in (E.PAYLOAD_OK, E.FAIL):
        after, effects = advance(asked, end, LATER)
        assert (after.phase, after.problem, effects) == (P.STOPPING, FIRST, (Effect.STOP_PAYLOAD,))
    assert live(asked, E.PAYLOAD_OK, E.GONE, E.LOG_STORED, E.TAKEN).phase is P.FAILED


def test_a_payload_is_asked_to_end_once_and_can_still_be_killed():
    asked, _ = advance(job(P.RUNNING), E.SOFT_KILL, FIRST)
    assert advance(asked, E.SOFT_KILL, LATER)[1] == ()
    assert advance(asked, E.KILL, LATER)[1] == (Effect.STOP_PAYLOAD,)


def test_a_job_of_event_ranges_that_ends_sooner_because_it_was_asked_to_has_not_failed():
    running = Job(JobSpec(id=7, attempt=1, transformation="true", events=True), phase=P.RUNNING)
    asked, effects = advance(running, E.SOFT_KILL, FIRST)
    assert effects == (Effect.ASK_PAYLOAD,)
    done = live(asked, E.PAYLOAD_OK, E.OUTPUT_STORED, E.LOG_STORED, E.TAKEN)
    assert (done.phase, done.problem) == (P.DONE, None)


@pytest.mark.parametrize("phase", [P.ACCEPTED, P.STAGING_IN])
def test_a_job_of_event_ranges_that_has_not_begun_is_ended_by_a_soft_word_as_any_other(phase):
    waiting = Job(JobSpec(id=7, attempt=1, transformation="true", events=True), phase=phase)
    asked, _ = advance(waiting, E.SOFT_KILL, FIRST)
    assert asked.problem is FIRST


@pytest.mark.parametrize("phase", [P.ACCEPTED, P.STAGING_IN])
def test_a_soft_kill_ends_a_job_without_a_payload_like_any_other(phase):
    after, effects = advance(job(phase), E.SOFT_KILL, FIRST)
    assert (after.phase, effects) == TABLE[phase, E.KILL]
    assert after.problem == FIRST


@pytest.mark.parametrize("phase", [P.STAGING_OUT, *sorted(TOO_LATE)])
def test_a_soft_kill_of_a_job_whose_payload_is_over_changes_nothing(phase):
    after, effects = advance(job(phase), E.SOFT_KILL, FIRST)
    assert (after.phase, after.problem, effects) == (phase, None, ())


@pytest.mark.parametrize("phase", [P.STOPPING, P.STAGING_LOG])
def test_what_hangs_while_a_job_ends_does_not_keep_its_report_back(phase):
    after, effects = advance(job(phase), E.OVERDUE, LATER)
    assert after.phase is not phase
    assert effects in ((Effect.STAGE_LOG,), (Effect.FINAL_REPORT,))


def test_a_job_whose_log_was_lost_has_failed():
    assert live(live(job(P.STAGING_LOG), E.FAIL, problem=LATER), E.TAKEN).problem == LATER


def test_the_first_problem_is_the_one_reported():
    one, _ = advance(job(P.RUNNING), E.FAIL, FIRST)
    one, _ = advance(one, E.GONE)
    one, _ = advance(one, E.FAIL, LATER)
    assert live(one, E.TAKEN).problem == FIRST


def test_a_report_that_is_not_taken_is_sent_again_and_the_job_is_kept():
    one, effects = advance(job(P.REPORTING), E.NOT_TAKEN, LATER)
    assert (one.phase, one.problem, effects) == (P.REPORTING, None, ())
    one, effects = advance(one, E.OVERDUE)
    assert (one.phase, effects) == (P.REPORTING, (Effect.FINAL_REPORT,))
    assert live(one, E.TAKEN).phase is P.DONE


def test_a_report_that_is_refused_ends_the_job_and_says_so():
    one = live(job(P.REPORTING), E.REFUSED, problem=LATER)
    assert (one.phase, one.problem) == (P.FAILED, LATER)


def test_only_the_report_ends_a_job():
    ends = {(phase, event) for (phase, event), (after, _) in TABLE.items() if after in TERMINAL}
    assert ends == {(P.REPORTING, E.TAKEN), (P.REPORTING, E.REFUSED)}


@pytest.mark.parametrize(("phase", "event"), list(itertools.product(Phase, Event)))
def test_the_step_rises_when_the_phase_changes_and_only_then(phase, event):
    before = job(phase, step=3)
    if (phase, event) not in TABLE:
        with pytest.raises(IllegalTransition, match="job 7"):
            advance(before, event)
        return
    after, _ = advance(before, event, FIRST)
    assert after.step == 3 + (after.phase is not phase)
    assert after.story == (f"{event.value}:{after.phase.value}",)


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_nothing_happens_to_a_job_that_has_ended(phase, event):
    with pytest.raises(IllegalTransition, match="job 7"):
        advance(job(phase), event)


def test_an_illegal_event_tells_the_jobs_story():
    with pytest.raises(IllegalTransition, match="'taken' while staging-in; story: begin:staging-in"):
        live(job(), E.BEGIN, E.TAKEN)


def test_every_phase_can_be_reached_and_every_living_one_can_be_left():
    entered = {phase for phase, _ in TABLE.values()} | {P.ACCEPTED}
    assert entered == set(Phase)
    assert {before for (before, _), (after, _) in TABLE.items() if after is not before} == set(LIVING)


def test_every_effect_is_asked_for():
    assert {effect for _, effects in TABLE.values() for effect in effects} == set(Effect)


@pytest.mark.parametrize("phase", LIVING)
def test_every_living_phase_can_fail(phase):
    """So that a fault of the pilot ends a job, and not the conductor."""
    assert (phase, E.FAIL) in TABLE


def documented():
    """Read the table of phases from the explanation."""
    page = Path(__file__).parents[3] / "doc" / "explanation" / "pilot-threads.md"
    lines = [line for line in page.read_text().splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for line in lines for cells in [[c.strip() for c in line.split("|")[1:-1]]]}


def test_the_explanation_has_every_phase_of_a_living_job():
    assert set(documented()) == {phase.value for phase in LIVING}


@pytest.mark.parametrize("phase", LIVING)
def test_the_explanation_says_what_the_table_says(phase):
    begins, ends_by, then, trouble = (re.findall(r"`([^`]+)`", cell) for cell in documented()[phase.value])
    # The first of them: a dead pilot's job enters as if all that came before had happened.
    good = next(event for event in (*HAPPY, E.GONE) if (phase, event) in TABLE)
    assert [good.value] == ends_by
    assert [TABLE[phase, good][0].value] == then
    assert [TABLE[phase, E.FAIL][0].value] == trouble
    entering = [effects for (before, _), (after, effects) in TABLE.items() if after is phase is not before]
    assert {effect.value for effects in entering for effect in effects} == set(begins)


@pytest.mark.parametrize("order", [E.KILL, E.SOFT_KILL, E.DEADLINE, E.SHUTDOWN])
def test_an_order_to_end_is_the_end_of_a_lease_while_a_job_is_lent_and_only_then(order):
    assert given_back(job(P.RUNNING), order) is E.ENOUGH
    assert all(given_back(job(phase), order) is order for phase in LIVING if phase is not P.RUNNING)


def test_what_a_check_finds_and_a_lost_lease_end_a_lent_job_like_any_other():
    assert [given_back(job(P.RUNNING), order) for order in (E.CHECK, E.LEASE_LOST)] == [E.CHECK, E.LEASE_LOST]


def test_a_job_that_was_lent_for_long_enough_is_asked_for_and_ends_well():
    one, effects = advance(job(P.RUNNING), E.ENOUGH)
    assert effects == (Effect.ASK_PAYLOAD,)
    assert live(one, E.PAYLOAD_OK, E.OUTPUT_STORED, E.LOG_STORED, E.TAKEN).phase is P.DONE
