"""Each limit of a task is told with where it comes from, and is the one that acts."""

from __future__ import annotations

import pytest

from server.production.limits import limits
from server.production.models import Task
from server.production.queries import task_json
from server.production.reference.kinds import Kind
from server.production.reference.known import Known
from server.production.states import TaskType
from server.production.task_limits import TaskLimit, limits_of


def task(kind: str, **more: int) -> Task:
    return Task(type=kind, **{"priority": 1500, "merging_priority": 4000, "max_attempts": 7, **more})


def told(kind: str) -> dict[str, TaskLimit]:
    return {limit.name: limit for limit in limits_of(task(kind), Known())}


def test_what_a_task_carries_itself_wins_over_the_settings(settings):
    settings.PRODUCTION = {"max_attempts": 3, "jobs_per_task": 70}
    found = told("mc_generation")
    assert found["max_attempts"] == TaskLimit("max_attempts", 7, "task")
    assert found["merging_priority"] == TaskLimit("merging_priority", 4000, "task")
    assert found["jobs_per_task"] == TaskLimit("jobs_per_task", 70, "settings")
    assert found["queued_per_queue"] == TaskLimit("queued_per_queue", 10_000, "default")


def test_what_was_only_filled_in_when_it_was_defined_comes_from_where_it_was_taken(settings):
    settings.PRODUCTION = {"max_attempts": 7, "merging_priority": 3000}
    kind = Kind("dy_mass", "DY", TaskType.MASS, limits={"processing_priority": 1500})
    row = Task(type="mass_production", kind="dy_mass", priority=1500, merging_priority=5000, max_attempts=7)
    found = {one.name: one.origin for one in limits_of(row, Known(kinds={"dy_mass": kind}))}
    names = ("max_attempts", "processing_priority", "merging_priority", "jobs_per_task")
    assert [found[name] for name in names] == ["settings", "type dy_mass", "task", "default"]


@pytest.mark.parametrize(
    ("kind", "name", "other"),
    [
        ("ddd_filtering", "filtering_priority", "processing_priority"),
        ("mass_production", "processing_priority", "filtering_priority"),
    ],
)
def test_a_task_has_the_priority_of_its_type(kind, name, other):
    found = told(kind)
    assert found[name] == TaskLimit(name, 1500, "task")
    assert other not in found


def test_a_production_is_told_all_but_what_limits_users_and_what_is_of_another_type(settings):
    settings.PRODUCTION = {}
    names = {field for field in limits().__dataclass_fields__ if not field.startswith("user_task_")}
    assert set(told("mass_production")) == names - {"filtering_priority"}


def test_a_users_task_is_told_nothing_of_merges():
    found = told("user_analysis")
    assert "user_task_jobs" in found
    assert not [name for name in found if "merg" in name or "dump" in name or "histogram" in name]


def test_an_answer_about_a_task_tells_its_limits(tasks):
    (found,) = [limit for limit in task_json(tasks[0])["limits"] if limit["name"] == "retry_delay"]
    assert found == {"name": "retry_delay", "value": 0, "from": "settings"}
