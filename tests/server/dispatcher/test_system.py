"""What everybody may ask of the server."""

from __future__ import annotations

from tests.server import jobs
from tests.server.dispatcher.conftest import GET_JOB


def ask(peer, path):
    return peer.client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {peer.token}"}).json()["data"]


def test_jobs_are_counted_by_queue_and_state(queue, pilot):
    assert ask(pilot, "statistics/active_job_stats_by_site") == {}
    ids = jobs.submit(3)
    pilot.form(GET_JOB, {"siteName": "LOCAL", "nJobs": 2})
    jobs.report(ids[0], "running")
    counts = ask(pilot, "statistics/active_job_stats_by_site")
    nothing = {"starting": 0, "holding": 0, "transferring": 0}
    assert counts == {"LOCAL": {"activated": 1, "sent": 1, "running": 1, **nothing}}


def test_there_are_no_resource_types(db, pilot):
    assert ask(pilot, "metaconfig/get_resource_types?timeout=60") == []


def test_a_server_lives_for_everybody_and_by_any_verb_that_is_told(client, db):
    for call in (client.get, client.post):
        assert call("/api/v1/system/is_alive").json()["success"]
