"""One server with two real batch systems, two queues each: every job ends once, and nothing is left in either."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

import pytest

from tests.server.manage.running import Peer
from tests.services import htcondor, slurm
from tests.whole.audit import wrongs
from tests.whole.local_system import ROOT, LocalSystem

pytestmark = pytest.mark.one_python

QUEUES = {"CONDOR_A": "pool", "CONDOR_B": "pool", "SLURM_A": "cluster", "SLURM_B": "cluster"}
SUBMIT, STATUS = "/api/v1/job/submit", "/api/v1/job/get_status"
#: Writes what an admin writes in the admin's pages; what these would refuse ends it.
DEFINE = """
import json, sys
from pathlib import Path
import django
django.setup()
from server.factory.models import FactoryQueue, FactorySystem
from server.manage.local_queue import define_local_queue
told = json.loads(sys.argv[1])
for name, (kind, options) in told["systems"].items():
    system = FactorySystem(name=name, kind=kind, options=options)
    system.full_clean()
    system.save()
for queue, system in told["queues"].items():
    define_local_queue(queue, Path(told["storage"], queue), cores=1, memory=500, slots=4)
    row = FactoryQueue.objects.get(queue=queue)
    row.batch_system = system
    row.full_clean()
    row.save()
"""


@pytest.fixture(scope="module")
def pool():
    with htcondor.running() as one:
        yield one


@pytest.fixture(scope="module")
def cluster():
    with slurm.running() as one:
        yield one


@dataclass
class Sites:
    """A local system whose queues are in the two batch systems."""

    system: LocalSystem
    pool: htcondor.Pool
    cluster: slurm.Slurm

    def define(self) -> None:
        programs = str(self.cluster.programs / "usr/bin")
        conf = self.cluster.environment["SLURM_CONF"]
        systems = {
            "pool": ("htcondor", {"config": str(self.pool.client("factory"))}),
            "cluster": ("slurm", {"conf": conf, "programs": programs, "python": sys.executable, "accounting": False}),
        }
        told = {"systems": systems, "queues": QUEUES, "storage": str(self.system.home / "storage")}
        environment = {
            **self.system.environment,
            "COMPASS_SERVER_HOME": str(self.system.home / "server"),
            "DJANGO_SETTINGS_MODULE": "server.settings",
        }
        argv = [sys.executable, "-c", DEFINE, json.dumps(told)]
        done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr

    def call(self, verb: str, path: str, fields: dict[str, object] | None = None):
        token = (self.system.home / "server" / "production.token").read_text().strip()
        peer = Peer(int(self.system.url().rstrip("/").rpartition(":")[2]), token)
        answer = peer.call(verb, path, fields)
        peer.close()
        assert answer["success"], answer
        return answer["data"]

    def submit(self, count: int, script: str) -> list[int]:
        """Submit so many jobs to each queue."""
        jobs = [
            {
                "computingSite": queue,
                "transformation": "/bin/sh",
                "jobParameters": ["-c", script, f"{queue}.{number}.txt"],
                "files": [
                    {"lfn": f"{queue}.{number}.txt", "type": "output", "dataset": "ds", "endpoint": f"{queue}_STORAGE"},
                    {"lfn": f"{queue}.{number}.tgz", "type": "log", "dataset": "ds", "endpoint": f"{queue}_STORAGE"},
                ],
                "maxAttempt": 5,
            }
            for queue in QUEUES
            for number in range(count)
        ]
        return [answer[0] for answer in self.call("POST", SUBMIT, {"jobs": jobs})]

    def states(self, jobs: list[int]) -> Counter[str]:
        asked = "&".join(f"job_ids={job}" for job in jobs)
        return Counter(found[0] for found in self.call("GET", f"{STATUS}?{asked}"))

    def batch_jobs(self) -> list[str]:
        """Answer what the two systems have in their queues."""
        condor = self.pool.run("condor_q", "-allusers", "-af", "ClusterId").split()
        return [*condor, *self.cluster.run("squeue", "-h", "-o", "%i").split()]


@pytest.fixture
def sites(local_system, pool, cluster):
    system = local_system().with_tables()
    status, out, said = system.up()
    assert status == 0, f"{out}\n{said}\n{system.said()}"
    found = Sites(system, pool, cluster)
    found.define()
    return found


def test_jobs_of_queues_in_two_batch_systems_all_end_once_and_leave_nothing_there(sites):
    jobs = sites.submit(2, 'echo well > "$0"')
    sites.system.wait_for(lambda: sites.states(jobs)["finished"] == len(jobs), f"{len(jobs)} jobs are finished")
    written = sites.system.home.glob("storage/**/*.txt")
    assert sorted(path.name for path in written) == [f"{queue}.{number}.txt" for queue in QUEUES for number in range(2)]
    assert wrongs(sites.system.rows) == []
    sites.system.wait_for(lambda: sites.batch_jobs() == [], "nothing is left in the batch systems")
    asked = "SELECT COUNT(*) FROM pilots_pilot WHERE state IN ('submitted', 'queued', 'running', 'held')"
    sites.system.wait_for(lambda: sites.system.rows.count(asked) == 0, "the factory sees that its pilots have ended")
    ends = sites.system.rows.read("SELECT DISTINCT batch_system, exit_code FROM pilots_pilot WHERE jobs > 0")
    assert sorted(map(tuple, ends)) == [("cluster", 0), ("pool", 0)]
