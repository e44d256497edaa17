"""Clients are told what rules would have done."""

from __future__ import annotations

import pytest
from django.utils import timezone

from server.taskbuffer import logic
from tests.server import jobs
from tests.server.taskbuffer.test_again import rule

pytestmark = pytest.mark.usefixtures("queue")
ADDRESS = "/api/v1/job/preview_retry_rules"


@pytest.fixture
def ask(client, production_token):
    def ask(query: str = ""):
        return client.get(ADDRESS + query, HTTP_AUTHORIZATION=f"Bearer {production_token}").json()

    return ask


def test_the_failures_of_the_last_days_are_judged_by_the_rules(ask, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(jobs, "NOW", now)
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.report(job_id, "failed", pilot_error=1305, now=now)
    made = rule(enabled=False)
    found = ask("?days=1&disabled=1")["data"]
    assert (found["failures"], found["complete"]) == (1, True)
    (line,) = found["lines"]
    assert line == {
        "rule": made.pk,
        "words": f"rule {made.pk} (why)",
        "again": True,
        "failures": 1,
        "were_tried_again": 0,
        "jobs": [job_id],
    }
    assert ask()["data"]["lines"][0]["rule"] is None
    assert logic.retry([job_id], by="test") == {}


@pytest.mark.parametrize("days", ["0", "367", "-1", "1.5", "x", "9" * 20, "0" * 8 + "1" + "9" * 11])
def test_days_that_are_none_are_refused(ask, days):
    found = ask(f"?days={days}")
    assert not found["success"]
    assert "days: " in found["message"]


def test_strangers_are_told_nothing(client):
    assert client.get(ADDRESS).status_code == 403
