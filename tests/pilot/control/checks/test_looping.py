from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.checks.looping import look
from tests.pilot.control.checks.situations import sample, situation

LIMIT = {"looping": 100.0}


def looks(*seen, **more):
    """Look again and again, with the memory of the look before; answers the last verdict."""
    memory, verdict = None, None
    for clock, read in seen:
        verdict = look(situation(clock, settings={**LIMIT, **more.get("settings", {})}, **read), memory)
        memory = verdict.memory
    return verdict


def test_a_payload_that_writes_nothing_for_too_long_is_looping():
    verdict = looks((0, {"stamps": 5}), (99, {"stamps": 5}), (100, {"stamps": 5}))
    assert verdict.problem.code is ErrorCode.PAYLOAD_LOOPING
    assert "100 s (monitor.looping)" in verdict.problem.detail
    assert verdict.stacks


def test_a_payload_that_wrote_a_file_meanwhile_is_not():
    assert looks((0, {"stamps": 5}), (99, {"stamps": 6}), (198, {"stamps": 6})).problem is None


def test_a_clock_that_was_put_back_is_progress_as_any_other_change_of_time_stamps():
    assert looks((0, {"stamps": 5}), (99, {"stamps": 3}), (198, {"stamps": 3})).problem is None


def test_time_in_which_the_payload_was_stopped_does_not_count():
    stopped = {"stamps": 5, "sample": sample(0, "T", "T")}
    assert looks((0, {"stamps": 5}), (150, stopped), (200, stopped)).problem is None
    assert looks((0, {"stamps": 5}), (150, stopped), (249, {"stamps": 5})).problem is None
    assert looks((0, {"stamps": 5}), (150, stopped), (250, {"stamps": 5})).problem is not None


@pytest.mark.parametrize(("counts", "looping"), [(False, True), (True, False)])
def test_processor_time_counts_as_progress_where_the_settings_say_so(counts, looping):
    verdict = looks(
        (0, {"stamps": 5, "cpu_time": 0.0}),
        (100, {"stamps": 5, "cpu_time": 90.0}),
        settings={"looping_by_cpu": counts},
    )
    assert (verdict.problem is not None) is looping


def test_a_payload_that_hardly_uses_the_processor_is_idle_all_the_same():
    read = [(0, {"stamps": 5, "cpu_time": 0.0}), (100, {"stamps": 5, "cpu_time": 0.5})]
    assert looks(*read, settings={"looping_by_cpu": True}).problem is not None


def test_nothing_is_said_of_the_time_since_the_directory_was_walked_through():
    old = [(0, {"stamps": 5}), (60, {"stamps": 5, "folder_age": 60.0}), (900, {"stamps": 5, "folder_age": 900.0})]
    assert looks(*old).problem is None
    assert (
        looks(*old, (960, {"stamps": 6, "folder_age": 0.0}), (1020, {"stamps": 6, "folder_age": 60.0})).problem is None
    )
    assert looks(*old, (960, {"stamps": 5, "folder_age": 10.0})).problem is not None


def test_where_folders_are_closed_to_the_pilot_processor_time_counts_as_progress():
    first, later = {"stamps": 5, "closed": 1, "cpu_time": 0.0}, {"stamps": 5, "closed": 1, "cpu_time": 90.0}
    assert looks((0, first), (100, later)).problem is None
    assert looks((0, first), (100, {**later, "cpu_time": 0.1})).problem is not None


@pytest.mark.parametrize("off", [{"settings": {"looping": 0.0}}, {"spec": {"looping_check": False}}])
def test_settings_and_jobs_may_switch_the_check_off(off):
    first = look(situation(0, stamps=5, **off), None)
    assert look(situation(1e6, stamps=5, **off), first.memory).problem is None


def test_a_directory_that_could_not_be_read_tells_nothing():
    assert look(situation(1e6), None).problem is None
