from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.asking import Asking, Limits
from pilot.job import Problem
from pilot.settings import Settings

DOWN = Problem(ErrorCode.COMMUNICATION_FAILURE, "nobody there")


def asking(**limits):
    return Asking(
        Limits(**{"requests": 2, "failures": 3, "wait": 100, "lifetime": 1000, "time_floor": -1, **limits}), 0.0
    )


def test_the_first_request_is_made_at_once():
    assert asking().next(0.0, 0.5) == 0.0


@pytest.mark.parametrize(("luck", "at"), [(0.0, 60), (0.5, 110), (1.0, 160)])
def test_after_an_empty_answer_there_is_a_wait_of_random_length(luck, at):
    assert asking().got(0, 0).next(10.0, luck) == at


def test_waits_double_up_to_a_limit():
    tries, waits = asking(requests=99, most_wait=350), []
    for _ in range(5):
        tries = tries.got(0, 0)
        waits.append(tries.next(0.0, 0.5))
    assert waits == [100, 200, 350, 350, 350]


def test_with_the_settings_as_they_are_a_pilot_without_work_ends_within_a_minute():
    job = Settings().job
    tries = Asking(Limits(job.requests, job.failures, job.ask_wait, 1e6, -1, job.ask_wait_most), 0.0)
    at = 0.0
    while (later := tries.next(at, 1.0)) is not None:
        at, tries = later, tries.got(0, 0)
    assert at <= 60


def test_after_a_job_its_task_is_asked_for_first_and_then_at_once_for_any():
    first = asking(same_task=True, requests=1, time_floor=500).got(1, 0, task_id=12)
    assert first.task_id == 12
    then = first.got(0, 0)
    assert (then.task_id, then.next(7.0, 0), then.over) == (None, 7.0, False)
    assert then.got(0, 0).over


def test_a_pilot_that_may_mix_tasks_asks_for_any_at_once():
    assert asking(same_task=False).got(1, 0, task_id=12).task_id is None


def test_a_task_is_asked_for_again_when_its_answer_was_lost():
    lost = asking(same_task=True, time_floor=500).got(1, 0, task_id=12).failed(DOWN, fatal=False)
    assert lost.task_id == 12


def test_so_many_empty_answers_end_the_asking_with_a_code():
    done = asking().got(0, 0).got(0, 0)
    assert done.next(0.0, 0) is None
    assert done.problem.code is ErrorCode.NO_JOBS


def test_a_pilot_that_has_done_a_job_ends_without_complaint_when_there_is_no_more():
    done = asking(time_floor=500).got(1, 0).got(0, 0).got(0, 0)
    assert done.next(0.0, 0) is None
    assert done.problem is None


def test_so_many_failures_in_a_row_end_the_asking_with_the_last_ones_code():
    once = asking().failed(DOWN, fatal=False)
    assert once.next(0.0, 0) is not None
    assert once.failed(DOWN, fatal=False).failed(DOWN, fatal=False).problem == DOWN


def test_an_answer_makes_earlier_failures_forgotten():
    assert (
        asking(requests=9).failed(DOWN, False).failed(DOWN, False).got(0, 0).failed(DOWN, False).next(0, 0) is not None
    )


def test_a_fatal_failure_ends_the_asking():
    done = asking().failed(DOWN, fatal=True)
    assert (done.next(0.0, 0), done.problem) == (None, DOWN)


@pytest.mark.parametrize(
    ("floor", "queues", "more"), [(-1, 0, False), (-1, 600, True), (600, 0, True), (0, 600, False)]
)
def test_another_job_is_asked_for_until_the_time_floor_which_the_queue_gives_or_the_settings(floor, queues, more):
    assert (asking(time_floor=floor).got(1, queues).next(500.0, 0) is not None) is more


@pytest.mark.parametrize("places", [1, 2, 3])
def test_a_pilot_with_several_places_fills_them_before_the_time_floor_counts(places):
    after_two = asking(places=places).got(1, 0).got(1, 0)
    assert (after_two.next(500.0, 0) is not None) is (places == 3)
    assert after_two.full().next(500.0, 0) is None
    assert after_two.got(0, 0).next(500.0, 0) is None


def test_a_busy_pilot_goes_on_asking_and_the_limits_count_when_its_jobs_have_ended():
    busy = asking(requests=1, failures=1, places=2, time_floor=1e6).got(1, 0)
    waiting = busy.got(0, 0, busy=True).failed(DOWN, fatal=False, busy=True)
    assert (waiting.over, waiting.next(0.0, 0.5)) == (False, 200.0)
    assert waiting.freed().next(0.0, 0.5) == 0.0
    assert waiting.freed().got(0, 0).over
    assert waiting.freed().failed(DOWN, fatal=False).over
    assert waiting.failed(DOWN, fatal=True, busy=True).problem == DOWN


def test_nothing_is_asked_for_at_the_end_of_the_pilots_life():
    assert asking().next(1000.0, 0) is None


def test_who_is_told_to_stop_asks_no_more():
    assert asking().stopped().next(0.0, 0) is None


@pytest.mark.parametrize(
    "code",
    [
        ErrorCode.NO_SOFTWARE_DIR,
        ErrorCode.CVMFS_NOT_ALIVE,
        ErrorCode.APPTAINER_NOT_INSTALLED,
        ErrorCode.SIGNATURE_UNVERIFIABLE,
    ],
)
def test_a_node_that_would_fail_the_next_job_as_well_is_no_black_hole(code):
    assert asking().ended_with(Problem(code, "not here")).next(0.0, 0) is None


def test_a_pilot_on_an_unwell_node_asks_no_more_and_one_whose_job_failed_does():
    full, failed = Problem(ErrorCode.NO_LOCAL_SPACE, "full"), Problem(ErrorCode.PAYLOAD_FAILED, "exit status 3")
    assert asking().ended_with(full).next(0.0, 0) is None
    assert asking().ended_with(failed).next(0.0, 0) == 0.0


def called(**limits):
    return asking(called_wait=600.0, called_requests=7, **limits).listening(True)


def test_while_messages_call_work_is_asked_for_seldom_and_for_long():
    tries = called()
    assert tries.next(0.0, 0.5) == 0.0
    for _ in range(6):
        tries = tries.got(0, 0)
        assert tries.next(1.0, 0.5) == 601.0
    assert tries.got(0, 0).over


def test_what_a_called_pilot_does_not_get_ends_nothing():
    tries = called()
    for _ in range(100):
        tries = tries.got(0, 0, called=True)
    assert not tries.over
    assert tries.next(1.0, 0.5) == 601.0  # and it does not ask again at once


def test_when_no_message_calls_any_more_the_usual_waits_and_limits_hold_again():
    tries = called()
    for _ in range(4):
        tries = tries.got(0, 0)
    alone = tries.listening(False)
    assert alone.next(1.0, 0.5) == 101.0
    assert alone.got(0, 0).over


def test_a_server_that_fails_is_asked_again_as_always_though_messages_call():
    assert called().failed(DOWN, fatal=False).next(1.0, 0.5) == 101.0


def test_messages_make_no_pilot_live_longer():
    assert called(lifetime=100).next(100.0, 0.5) is None
