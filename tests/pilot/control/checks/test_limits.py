"""The checks of processor time, processes and the end of the slot."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.checks import cpu_time, processes, slot_end
from pilot.site.features import Features
from tests.pilot.control.checks.situations import sample, situation


@pytest.mark.parametrize(("used", "ended"), [(150.0, False), (150.1, True)])
def test_a_payload_may_use_the_jobs_processor_time_and_half_as_much_again(used, ended):
    verdict = cpu_time.look(situation(spec={"max_cpu_time": 100}, cpu_time=used), None)
    assert (verdict.problem is not None) is ended
    if ended:
        assert verdict.problem.code is ErrorCode.CPU_TIME_EXCEEDED
        assert not verdict.everything


@pytest.mark.parametrize(
    ("settings", "spec"), [({}, {}), ({"cpu_grace": 0.0}, {"max_cpu_time": 100})], ids=["no limit", "switched off"]
)
def test_processor_time_is_not_limited_where_nobody_wants_it(settings, spec):
    assert cpu_time.look(situation(settings=settings, spec=spec, cpu_time=1e9), None).problem is None


@pytest.mark.parametrize(("used", "ended"), [(2900.0, False), (2901.0, True)])
def test_the_slots_processor_time_ends_every_job_in_time(used, ended):
    features = Features(cpu_limit=4000.0)
    verdict = cpu_time.look(situation(features=features, spent_before=500.0, cpu_time=used), None)
    assert (verdict.problem is not None, verdict.everything) == (ended, ended)
    if ended:
        assert verdict.problem.code is ErrorCode.SIGXCPU


@pytest.mark.parametrize(("left", "ended"), [(601.0, False), (600.0, True), (-5.0, True)])
def test_jobs_are_ended_before_the_batch_system_takes_the_slot_back(left, ended):
    verdict = slot_end.look(situation(now=1e9, features=Features(shutdown=1e9 + left)), None)
    assert (verdict.problem is not None, verdict.everything) == (ended, ended)
    if ended:
        assert verdict.problem.code is ErrorCode.REACHED_MAX_TIME


def test_a_slot_of_which_nobody_knows_the_end_has_none():
    assert slot_end.look(situation(), None).problem is None


@pytest.mark.parametrize(("limit", "ended"), [(0, False), (3, False), (2, True)])
def test_processes_are_counted_and_limited_where_the_settings_say_so(limit, ended):
    verdict = processes.look(situation(settings={"processes": limit}, sample=sample(0, "S", "Z", "R")), None)
    assert (verdict.problem is not None) is ended
    if ended:
        assert verdict.problem.code is ErrorCode.TOO_MANY_PROCESSES


def test_many_zombies_are_told_once_and_end_nothing():
    seen = situation(settings={"zombies": 1}, sample=sample(0, "Z", "Z", "S"))
    first = processes.look(seen, None)
    assert (first.problem, first.warning) == (None, "2 of the payload's 3 processes are zombies")
    assert processes.look(seen, first.memory).warning == ""


def test_a_payload_that_was_not_seen_has_no_processes_to_object_to():
    assert processes.look(situation(settings={"processes": 1}), True) == (None, True, "", False, False)
