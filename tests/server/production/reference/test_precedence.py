"""Of several limits the most specific one holds, and where it comes from is told."""

from __future__ import annotations

import pytest

from server.production.limits import SCOPES, Limits, read_own
from server.production.models import Task
from server.production.reference.kinds import BUILT_IN, Kind
from server.production.reference.known import Known
from server.production.reference.models import Site
from server.production.reference.precedence import Layer, settle
from server.production.states import TaskType


def test_the_most_specific_limit_holds():
    layers = [
        Layer("settings", {"jobs_per_task": 60, "retry_delay": 0, "merge_target": 9}),
        Layer("type mass", {"jobs_per_task": 70, "retry_delay": 5}),
        Layer("site BW", {"jobs_per_task": 80}),
    ]
    settled = settle(layers)
    assert (settled.limits.jobs_per_task, settled.limits.retry_delay, settled.limits.merge_target) == (80, 5, 9)
    names = ("jobs_per_task", "retry_delay", "merge_target", "max_attempts")
    assert [settled.origin(name) for name in names] == ["site BW", "type mass", "settings", "default"]


def test_a_limit_that_no_product_knows_any_more_is_passed_over():
    assert settle([Layer("site BW", {"of_old": 3})]).limits == Limits()


def task(**said: object) -> Task:
    carried = {"queue": "BW", "priority": 1500, "merging_priority": 4000, "max_attempts": 7}
    return Task(type="mass_production", **{**carried, **said})


@pytest.fixture
def known(settings) -> Known:
    settings.PRODUCTION = {"probe_jobs": 2, "jobs_per_task": 3}
    site = Site(pk=1, name="BW", queue="BW", limits={"probe_jobs": 5, "queue_floor": 7})
    kind = Kind("dy_mass", "DY", TaskType.MASS, limits={"probe_jobs": 4, "jobs_per_task": 6})
    return Known({1: site}, {**BUILT_IN, "dy_mass": kind})


def test_a_task_has_the_limits_of_its_type_its_site_and_its_own(known):
    settled = known.settled_for(task(kind="dy_mass", limits={"merge_files": 9}))
    found = {name: (getattr(settled.limits, name), settled.origin(name)) for name in settled.origins}
    assert found == {
        "jobs_per_task": (6, "type dy_mass"),
        "probe_jobs": (5, "site BW"),
        "queue_floor": (7, "site BW"),
        "merge_files": (9, "task"),
        "processing_priority": (1500, "task"),
        "merging_priority": (4000, "task"),
        "max_attempts": (7, "task"),
    }


def test_a_queue_has_the_limits_of_the_site_whose_it_is(known):
    assert (known.limits_at("BW").queue_floor, known.limits_at("OTHER").queue_floor) == (7, Limits().queue_floor)


def test_a_task_of_another_queue_has_nothing_of_that_site(known):
    assert known.limits_for(task(queue="OTHER")).probe_jobs == 2


def test_a_task_whose_type_has_lost_its_row_has_what_its_chain_has(known):
    assert known.kind_of(task(kind="gone")) == BUILT_IN["mass_production"]


def test_every_scope_is_of_a_limit():
    assert set(SCOPES) <= set(Limits.__dataclass_fields__)


@pytest.mark.parametrize("scope", ["type", "site", "task"])
@pytest.mark.parametrize("value", [0, -1, 10**30, 1.5, True, "7", None, [], float("nan")])
def test_no_row_holds_a_value_that_no_limit_can_have(scope, value):
    with pytest.raises(ValueError, match="give a whole number from 1 to"):
        read_own({"jobs_per_task": value}, scope)


@pytest.mark.parametrize(
    ("scope", "name", "words"),
    [
        ("task", "max_attempts", "give the field max_attempts"),
        ("task", "processing_priority", "give the field priority"),
        ("task", "queued_per_queue", "a site may have it"),
        ("type", "queue_fill", "a site may have it"),
        ("site", "decisions_kept", "it is the whole system's; set it in PRODUCTION"),
        ("site", "jobs_per_tsk", "did you mean jobs_per_task"),
        ("site", "'; DROP TABLE", "is not a limit of the production"),
    ],
)
def test_a_limit_in_the_wrong_place_is_told_its_right_one(scope, name, words):
    with pytest.raises(ValueError, match=words):
        read_own({name: 5}, scope)
