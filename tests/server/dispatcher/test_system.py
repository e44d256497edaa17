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


def test_jobs_are_counted_by_queue_label_cores_with_memory_and_state(queue, pilot):
    path = "statistics/active_job_detailed_stats_by_site"
    assert ask(pilot, path) == {}
    jobs.submit(2, label="user")
    jobs.submit(2, cores=4, memory=9000 * 2**20)
    jobs.submit(cores=4, memory=8001 * 2**20)  # the same kind of job, and another bucket
    ids = jobs.submit(2, label="test", priority=10**6)
    pilot.form(GET_JOB, {"siteName": "LOCAL", "nJobs": 2, "prodSourceLabel": "test"})
    jobs.report(ids[0], "running")
    nothing = dict.fromkeys(("activated", "sent", "starting", "running", "holding", "transferring"), 0)
    assert ask(pilot, path) == {
        "LOCAL": {
            "user": {"SCORE": {**nothing, "activated": 2}},
            "managed": {"MCORE_HIMEM": {**nothing, "activated": 3}},
            "test": {"SCORE": {**nothing, "sent": 1, "running": 1}},
        }
    }


def test_there_are_no_resource_types(db, pilot):
    assert ask(pilot, "metaconfig/get_resource_types?timeout=60") == []


def test_a_server_lives_for_everybody_and_by_any_verb_that_is_told(client, db):
    for call in (client.get, client.post):
        assert call("/api/v1/system/is_alive").json()["success"]
