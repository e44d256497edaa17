"""What somebody changes of a queue reaches every process of the server within two seconds: brokerage and dispatch."""

from __future__ import annotations

import time

import pytest

from tests.server.manage.running import Peer, Server, free_port, init

pytestmark = pytest.mark.one_python

WORKERS = 3
#: Seconds in which every process has to know.
SOON = 2.0
#: Connections, each of which is one worker's for its life: so many meet all of them.
PEERS = 24


@pytest.fixture
def home(tmp_path):
    words = ("--local-queue", "LOCAL", "--storage", str(tmp_path / "storage"), "--slots", "0")
    done = init(tmp_path / "home", *words)
    assert done.returncode == 0, done.stderr
    return tmp_path / "home"


def test_a_status_that_is_set_is_known_to_every_process_within_two_seconds(home):
    port = free_port()
    server = Server(home, port, workers=WORKERS)
    tokens = {role: (home / f"{role}.token").read_text().strip() for role in ("production", "pilot", "admin")}
    peers = [Peer(port, tokens["production"]) for _ in range(PEERS)]
    admin, pilot = Peer(port, tokens["admin"]), Peer(port, tokens["pilot"])
    job = {"transformation": "/bin/true", "files": [], "maxAttempt": 1}

    def chosen(peer):
        """Submit a job for any queue; answer whether brokerage found one."""
        return peer.call("POST", "/api/v1/job/submit", {"jobs": [job]})["success"]

    def given():
        """Say whether a pilot of the queue is given a job."""
        answer = pilot.call("POST", "/api/v1/pilot/acquire_jobs", {"site_name": "LOCAL"})
        return bool((answer["data"] or {}).get("jobs"))

    try:
        assert all(chosen(peer) for peer in peers), "each of them has looked at the queue now"
        for status, works in (("offline", False), ("online", True)):
            said = {"queues": ["LOCAL"], "status": status, "reason": "trial"}
            assert admin.call("POST", "/api/v1/config/set_status", said)["data"]["set"] == ["LOCAL"]
            time.sleep(SOON)
            assert {chosen(peer) for peer in peers} == {works}
            assert given() is works
    finally:
        for peer in (*peers, admin, pilot):
            peer.close()
        server.end()
