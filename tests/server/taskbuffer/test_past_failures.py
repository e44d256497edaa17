"""What rules would have done with past failures."""

from __future__ import annotations

from datetime import timedelta

from server.taskbuffer import logic, past_failures, queries
from server.taskbuffer.models import RetryRule
from tests.server import jobs
from tests.server.taskbuffer.test_again import PASSES, PAYLOAD_FAILED, fail, failed, rule

LATER = jobs.NOW + timedelta(days=1)


def lines(**fields) -> list[tuple]:
    found = queries.retry_preview(**{"days": 2, "now": LATER, **fields})
    return [(line.rule, line.again, line.failures, line.were_tried_again) for line in found.lines]


def test_without_rules_the_preview_says_what_was_done(queue):
    job_id = failed(code=PASSES)
    fail(job_id, code=PAYLOAD_FAILED)
    assert lines() == [(None, True, 1, 1), (None, False, 1, 0)]


def test_a_rule_that_is_not_enabled_yet_can_be_looked_at_first_and_nothing_changes(queue):
    jobs_ids = [failed() for _ in range(7)]
    made = rule(enabled=False)
    assert lines() == [(None, False, 7, 0)]
    assert lines(disabled=True) == [(made.pk, True, 7, 0)]
    (line,) = queries.retry_preview(days=2, now=LATER, disabled=True).lines
    assert line.words == f"rule {made.pk} (why)"
    assert line.jobs == sorted(jobs_ids, reverse=True)[:5]
    assert {jobs.state_of(job_id) for job_id in jobs_ids} == {"failed"}


def test_memory_is_reckoned_from_the_reports(queue):
    failed(max_rss=2000 * 1024)
    made = rule(action="memory", factor=2, memory_limit=8000)
    (line,) = queries.retry_preview(days=2, now=LATER).lines
    assert line.words == f"rule {made.pk} (why): with 4000 MB of memory"


def test_only_the_last_days_are_looked_at_and_only_what_failed(queue, monkeypatch):
    monkeypatch.setattr(past_failures, "BATCH", 2)
    for _ in range(3):
        failed()
    (job_id,) = jobs.submit()
    jobs.claim()
    jobs.finish(job_id)
    assert lines() == [(None, False, 3, 0)]
    assert lines(days=0.5) == []


def test_a_preview_ends_somewhere_and_says_so(queue, monkeypatch):
    monkeypatch.setattr(past_failures, "BATCH", 1)
    for _ in range(3):
        failed()
    found = past_failures.preview((), since=jobs.NOW, most=2)
    assert not found.complete
    assert [line.failures for line in found.lines] == [2]
    assert past_failures.preview((), since=jobs.NOW, most=9).complete


def test_the_admin_shows_what_chosen_rules_would_have_done(admin_client, queue, monkeypatch):
    monkeypatch.setattr("server.taskbuffer.admin.timezone.now", lambda: LATER)
    job_id, made = failed(), rule(enabled=False)
    order = {"action": "show_what_they_would_have_done", "_selected_action": [made.pk]}
    page = admin_client.post("/admin/taskbuffer/retryrule/", order).content.decode()
    assert f"rule {made.pk} (why)" in page
    assert f"/admin/taskbuffer/job/{job_id}/change/" in page
    assert RetryRule.objects.get().enabled is False


def test_a_job_that_somebody_had_tried_again_counts_as_tried_again(queue):
    logic.retry([failed()], by="alice")
    assert lines() == [(None, False, 1, 1)]
