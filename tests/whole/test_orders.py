"""What people order about one job, by the real client, server and pilot, as processes on this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.server.manage.running import ROOT
from tests.whole.test_one_job import LOG, System, begun

pytestmark = pytest.mark.one_python

QUICK = {"monitor__heartbeat": 0.3, "monitor__debug_heartbeat": 0.3}


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    made = System(tmp_path_factory.mktemp("system"))
    yield made
    made.close()


def compass(system, *words):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
    where = ["--url", f"http://127.0.0.1:{system.port}", "--token-file", str(system.home / "production.token")]
    done = subprocess.run(
        [sys.executable, "-m", "client.cli", *words, *where],
        env={**plain, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_running_job_is_looked_into_and_then_killed(system):
    job, pilot = begun(system, "echo a line of the payload; exec sleep 60", **QUICK)
    status, out, error = compass(system, "job", "tell", str(job), "tail -n 1 payload.stdout", "--wait", "20")
    assert (status, out, error) == (0, "$ tail -n 1 payload.stdout\na line of the payload\n", "")
    status, out, _ = compass(system, "job", "tell", str(job), "ls,du", "--wait", "20")
    assert status == 0
    assert "$ ls\n" in out
    assert "$ du\n" in out
    assert " payload.stdout\n" in out
    command = f"/api/v1/job/get_status?job_ids={job}"
    assert system.call("production", "GET", command) == [["running", ""]], "what was shown is asked for no more"
    assert compass(system, "kill", str(job))[1].endswith("its pilot ends it when it reports next\n")
    pilot.communicate(timeout=60)
    assert system.state(job) == "cancelled"
    assert "has ended already, it is cancelled" in compass(system, "kill", str(job))[2]


def test_a_workers_pilot_tells_the_server_of_itself_and_its_node(system):
    system.submit("true", [LOG])
    system.environment.update(HARVESTER_ID="H1", HARVESTER_WORKER_ID="4711")
    pilot = system.pilot("-v", "1", harvester__node=True)
    _, said = pilot.communicate(timeout=60)
    assert pilot.returncode == 0, said
    script = (
        "from server.pilots.models import Node, Worker\n"
        "worker, node = Worker.objects.get(), Node.objects.get()\n"
        "print(worker, worker.state, worker.started_at < worker.finished_at, node.logical > 0)\n"
        "print(node.host == worker.node)"
    )
    done = subprocess.run(
        [sys.executable, "-m", "server.manage", "shell", "-v", "0", "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COMPASS_SERVER_HOME": str(system.home)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "H1/4711 finished True True\nTrue\n", done.stderr
