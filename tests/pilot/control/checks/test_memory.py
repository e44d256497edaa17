from __future__ import annotations

from dataclasses import replace

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.resource_types import ResourceType
from pilot.control.checks.memory import asks_for_type, grace, limit, look
from pilot.site.features import Features
from tests.pilot.control.checks.situations import MB, sample, situation

JOB = {"spec": {"memory": 100 * MB}}


def test_more_than_the_limit_and_its_grace_at_two_looks_in_a_row_ends_the_job():
    first = look(situation(sample=sample(201 * MB), **JOB), None)
    assert first.problem is None
    assert "at the next look" in first.warning
    second = look(situation(sample=sample(201 * MB), **JOB), first.memory)
    assert second.problem.code is ErrorCode.PAYLOAD_EXCEEDED_MEMORY
    assert second.problem.detail == "the payload takes 201 MB, it may take 200 MB (the job's limit and its grace)"


def test_a_short_peak_ends_nothing():
    first = look(situation(sample=sample(201 * MB), **JOB), None)
    calm = look(situation(sample=sample(200 * MB), **JOB), first.memory)
    assert look(situation(sample=sample(201 * MB), **JOB), calm.memory).problem is None


def test_a_size_that_was_only_worked_out_decides_nothing():
    first = look(situation(sample=sample(201 * MB), **JOB), None)
    guessed = look(situation(sample=replace(sample(10**12), measured=False), **JOB), first.memory)
    assert guessed.problem is None
    assert look(situation(sample=sample(201 * MB), **JOB), guessed.memory).problem is not None


def test_far_beyond_the_limit_one_look_is_enough():
    assert look(situation(sample=sample(300 * MB), **JOB), None).problem is None
    assert look(situation(sample=sample(301 * MB), **JOB), None).problem is not None


@pytest.mark.parametrize(
    ("asked", "whose", "size"),
    [("first", "slot", 700), ("slot", "slot", 700), ("queue", "queue", 500), ("job", "job", 100), ("none", "", None)],
)
def test_the_settings_say_whose_limit_counts(asked, whose, size):
    seen = situation(
        settings={"memory_limit": asked, "memory_grace": 1.0},
        queue={"memory": 500 * MB},
        features=Features(memory=700 * MB),
        **JOB,
    )
    assert limit(seen) == (size * MB if size else float("inf"), whose)


def test_a_limit_that_nobody_set_is_none():
    assert look(situation(sample=sample(10**15)), None).problem is None
    assert limit(situation(settings={"memory_limit": "queue"}, **JOB))[0] == float("inf")


def test_a_job_with_one_core_gets_its_share_of_the_queues_memory():
    shared = situation(queue={"memory": 800 * MB, "cores": 8}, settings={"memory_grace": 1.0})
    assert limit(shared) == (100 * MB, "queue")


@pytest.mark.parametrize(("said", "found"), [(20, 1.2), ("200", 3.0), (0, 1.0), (-50, 1.0), ("x", 2.0), (None, 2.0)])
def test_the_queues_own_grace_wins_and_is_in_percent_as_panda_has_it(said, found):
    assert grace(situation(queue={"params": {"pilot_rss_grace": said}})) == pytest.approx(found)


def test_peer_defect_23_a_limit_is_found_without_a_list_of_resource_types():
    """PanDA's pilot drops the list form of the server's answer, and takes 4001 MB per core instead."""
    assert limit(situation(queue={"memory": 9000 * MB}))[0] == 18000 * MB


def test_peer_defect_26_memory_is_limited_whatever_experiment_and_monitor_there_are():
    """PanDA's pilot does it for one experiment, and only where the prmon program runs."""
    assert look(situation(sample=sample(10**12), **JOB), None).problem.code is ErrorCode.PAYLOAD_EXCEEDED_MEMORY


def typed(most, *, asked="first", name="MCORE", cores=4, queue=0, **read):
    """A job of a resource type that gives ``most`` MB to each core; none such is known for ``None``."""
    known = None if most is None else ResourceType(name, most_memory=most * MB)
    return situation(
        settings={"memory_limit": asked, "memory_grace": 1.0},
        queue={"memory": queue * MB, "cores": 8},
        spec={"memory": 100 * MB, "cores": cores, "resource_type": name},
        resource_type=known,
        **read,
    )


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (typed(50), (200 * MB, "resource_type")),
        (typed(50, queue=800), (200 * MB, "resource_type")),
        (typed(50, features=Features(memory=70 * MB)), (70 * MB, "slot")),
        (typed(50, features=Features(memory=70 * MB), asked="resource_type"), (200 * MB, "resource_type")),
        (typed(50, asked="queue", queue=800), (400 * MB, "queue")),
        (typed(0, name="MCORE_VHIMEM", queue=800), (400 * MB, "resource_type")),
        (typed(0, name="MCORE_VHIMEM"), (100 * MB, "job")),
        (typed(None, queue=800), (400 * MB, "queue")),
        (typed(None, queue=800, asked="resource_type"), (100 * MB, "job")),
        (typed(0, name="SCORE_VHIMEM", cores=1, queue=800), (100 * MB, "resource_type")),
    ],
    ids=[
        *("type", "before-queue", "after-slot", "type-only", "queue-only", "vhimem", "vhimem-no-maxrss"),
        *("unknown", "unknown-type-only", "vhimem-one-core"),
    ],
)
def test_a_jobs_resource_type_bounds_each_of_its_cores(seen, found):
    assert limit(seen) == found


def test_the_queues_grace_counts_for_a_resource_type_too():
    seen = typed(50)
    more = replace(seen, queue=replace(seen.queue, params={"pilot_rss_grace": 50}))
    assert limit(more) == (300 * MB, "resource_type")


@pytest.mark.parametrize(
    ("seen", "asks"),
    [
        (typed(None), True),
        (typed(None, asked="resource_type"), True),
        (typed(None, features=Features(memory=70 * MB)), False),
        (typed(None, asked="queue"), False),
        (typed(None, asked="none"), False),
        (typed(None, name=""), False),
    ],
)
def test_a_resource_type_is_asked_for_where_it_decides_only(seen, asks):
    assert asks_for_type(seen) is asks


def test_the_words_say_whose_limit_was_passed():
    found = look(typed(50, sample=sample(301 * MB)), 1.0)
    assert "it may take 200 MB (its resource type's limit and its grace)" in found.problem.detail
