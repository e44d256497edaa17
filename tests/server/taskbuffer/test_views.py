"""Resets over HTTP."""

from __future__ import annotations

import pytest

from server.taskbuffer import logic
from tests.server import jobs

pytestmark = pytest.mark.usefixtures("queue")


@pytest.fixture
def call(client, production_token):
    def call(method: str, body, token: str = production_token):
        bearer = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
        return client.post(f"/api/v1/job/{method}", body, content_type="application/json", **bearer)

    return call


def cancelled() -> int:
    (job_id,) = jobs.submit(task_id=5)
    logic.kill([job_id], by="bob")
    return job_id


def test_a_task_is_looked_at_reset_and_put_back(call):
    numbers = [cancelled(), cancelled()]
    found = call("reset", {"task_id": 5, "preview": True}).json()["data"]
    assert found == {"jobs": numbers, "by_state": {"cancelled": 2}, "refused": {}}
    assert jobs.state_of(numbers[0]) == "cancelled"
    done = call("reset", {"task_id": 5, "why": "again"}).json()["data"]
    assert done["jobs"] == numbers
    assert jobs.state_of(numbers[0]) == "activated"
    undone = call("undo_reset", {"reset": done["reset"]}).json()["data"]
    assert undone == {"restored": numbers, "kept": []}


def test_single_jobs_are_reset_and_of_the_others_it_is_said_why_not(call):
    job_id = cancelled()
    done = call("reset", {"job_ids": [job_id, 99], "why": "again"}).json()["data"]
    assert (done["jobs"], done["refused"]) == ([job_id], {"99": "there is no such job"})


@pytest.mark.parametrize(
    ("method", "body", "words"),
    [
        ("reset", {"why": "x"}, "job_ids: give jobs, or a task_id"),
        ("reset", {"job_ids": [1], "task_id": 5, "why": "x"}, "job_ids: give jobs, or a task_id"),
        ("reset", {"job_ids": [1]}, "why: give a reason"),
        ("reset", {"job_ids": ["x"], "why": "x"}, "job_ids"),
        ("reset", {"jobs": [1]}, "unexpected argument 'jobs'"),
        ("reset", "[]", "not a JSON object"),
        ("reset", "{", "not JSON"),
        ("undo_reset", {}, "reset: missing"),
        ("undo_reset", {"reset": 3}, "there is no such reset"),
    ],
)
def test_what_is_wrong_is_named(call, method, body, words):
    found = call(method, body).json()
    assert found["success"] is False
    assert words in found["message"]


def test_another_method_is_refused(client, production_token):
    found = client.get("/api/v1/job/reset", HTTP_AUTHORIZATION=f"Bearer {production_token}")
    assert "use POST" in found.json()["message"]


def test_pilots_may_not_reset_jobs(call, pilot_token):
    assert call("reset", {"job_ids": [1], "why": "x"}, token=pilot_token).status_code == 403
