"""Production tasks as PanDA's clients ask for them, by number."""

from __future__ import annotations

import pytest

from server.production.models import Task, TaskEvent
from tests.server import jobs

BASE = "/api/v1/task"

pytestmark = pytest.mark.django_db


@pytest.fixture
def task():
    plain = {"production": "test", "year": 2026, "period": "W01", "soft": "mc-1", "queue": "LOCAL"}
    numbers = {"priority": 0, "merging_priority": 0, "max_attempts": 3}
    return Task.objects.create(name="mc26", type="mc_generation", state="send", owner="alice", **plain, **numbers)


def get(peer, name, number):
    headers = {"Authorization": f"Bearer {peer.token}"}
    return peer.client.get(f"{BASE}/{name}", {"task_id": number}, headers=headers).json()


def test_a_task_is_looked_at_by_its_number(queue, manager, task):
    ids = jobs.submit(2, task_id=task.pk)
    jobs.submit()
    assert get(manager, "get_status", task.pk)["data"] == "send"
    assert get(manager, "get_details", task.pk)["data"]["jobs"] == {"activated": 2}
    assert get(manager, "get_job_ids", task.pk)["data"] == ids


def test_a_task_is_paused_resumed_and_killed_in_its_managers_name(queue, manager, task):
    for name, state in (("pause", "paused"), ("resume", "running"), ("kill", "cancelled")):
        answer = manager.v1(f"{BASE}/{name}", {"task_id": task.pk})
        assert answer == {"success": True, "message": f"task mc26 is {state}", "data": None}
    assert set(TaskEvent.objects.values_list("by", flat=True)) == {"a-manager"}


@pytest.mark.parametrize(
    ("name", "words"),
    [("resume", "cannot become running"), ("retry", "cannot become resend_failed")],
)
def test_what_a_task_cannot_do_now_is_refused_with_what_it_can(queue, manager, task, name, words):
    answer = manager.v1(f"{BASE}/{name}", {"task_id": task.pk, **({"no_child_retry": True} if name == "retry" else {})})
    assert answer["success"] is False
    assert words in answer["message"]


def test_a_retry_changes_no_parameters(queue, manager, task):
    answer = manager.v1(f"{BASE}/retry", {"task_id": task.pk, "new_parameters": {"nFiles": 1}})
    assert answer["message"].startswith("Argument error: new_parameters: a task stays as it was defined")


def test_a_task_that_is_not_known_is_told(queue, manager):
    for answer in (get(manager, "get_status", 99), manager.v1(f"{BASE}/kill", {"task_id": 99})):
        assert answer == {
            "success": False,
            "message": "task_id: 99 is not known here; a task's jobs have its number as jediTaskID",
            "data": None,
        }


def test_a_pilot_ends_no_task(pilot):
    assert pilot.post(f"{BASE}/kill", b'{"task_id": 1}', "application/json").status_code == 403
