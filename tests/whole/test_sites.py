"""One server with two real batch systems, two queues each: every job ends once, and nothing is left in either."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import psutil
import pytest

from tests.server.manage.running import Peer
from tests.services import htcondor, postgresql, slurm
from tests.whole.audit import Rows, wrongs
from tests.whole.local_system import ROOT, LocalSystem
from tests.whole.served_rows import ServedRows

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
#: Switches a queue on or off, as in the admin's page.
SWITCH = """
import json, sys
import django
django.setup()
from server.pandaconfig.models import Schedconfig
told = json.loads(sys.argv[1])
assert Schedconfig.objects.filter(nickname=told["queue"]).update(status=told["status"]) == 1
"""
#: Seconds that the long test waits for its next step.
LONG = 600.0


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
    rows: Rows

    def tell(self, program: str, told: object) -> None:
        """Run a program with the server's tables."""
        environment = {
            **self.system.environment,
            "COMPASS_SERVER_HOME": str(self.system.home / "server"),
            "DJANGO_SETTINGS_MODULE": "server.settings",
        }
        argv = [sys.executable, "-c", program, json.dumps(told)]
        done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr

    def define(self) -> None:
        programs = str(self.cluster.programs / "usr/bin")
        conf = self.cluster.environment["SLURM_CONF"]
        systems = {
            "pool": ("htcondor", {"config": str(self.pool.client("factory"))}),
            "cluster": ("slurm", {"conf": conf, "programs": programs, "python": sys.executable, "accounting": False}),
        }
        told = {"systems": systems, "queues": QUEUES, "storage": str(self.system.home / "storage")}
        self.tell(DEFINE, told)

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

    def pilots(self) -> list[psutil.Process]:
        """Find whatever was started for pilots of this server: wrappers, pilots, payloads."""
        return [process for process in psutil.process_iter() if _server_of(process) == self.system.url().rstrip("/")]

    def see_that_nothing_is_left(self, count: int) -> None:
        """Hold that every job ended once, well, with its output; that no pilot, process or batch job is left."""
        written = self.system.home.glob("storage/**/*.txt")
        assert sorted(path.name for path in written) == sorted(f"{q}.{n}.txt" for q in QUEUES for n in range(count))
        assert wrongs(self.rows) == []
        self.system.wait_for(lambda: self.batch_jobs() == [], "nothing is left in the batch systems")
        living = "SELECT COUNT(*) FROM pilots_pilot WHERE state IN ('submitted', 'queued', 'running', 'held')"
        self.system.wait_for(lambda: self.rows.count(living) == 0, "the factory sees that its pilots have ended")
        self.system.wait_for(lambda: self.pilots() == [], "no process of a pilot is left")


def _server_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("COMPASS_PILOT__SERVER__URL", "").rstrip("/")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


@pytest.fixture
def sites(local_system, pool, cluster):
    system = local_system().with_tables()
    return brought_up(Sites(system, pool, cluster, system.rows))


@pytest.fixture
def served_sites(local_system, pool, cluster):
    """The same with PostgreSQL."""
    with postgresql.running(durable=True) as service:
        service.make_database("compass")
        url = service.url("compass")
        system = local_system(COMPASS_SERVER_DATABASE=url)
        yield brought_up(Sites(system, pool, cluster, ServedRows(url)))
        system.close()


def brought_up(sites: Sites) -> Sites:
    status, out, said = sites.system.up()
    assert status == 0, f"{out}\n{said}\n{sites.system.said()}"
    sites.define()
    return sites


def test_jobs_of_queues_in_two_batch_systems_all_end_once_and_leave_nothing_there(sites):
    jobs = sites.submit(2, 'echo well > "$0"')
    sites.system.wait_for(lambda: sites.states(jobs)["finished"] == len(jobs), f"{len(jobs)} jobs are finished")
    sites.see_that_nothing_is_left(2)
    ends = sites.rows.read("SELECT DISTINCT batch_system, exit_code FROM pilots_pilot WHERE jobs > 0")
    assert sorted(map(tuple, ends)) == [("cluster", 0), ("pool", 0)]


@pytest.mark.campaign
def test_three_hundred_jobs_end_once_while_batch_systems_die_and_pilots_are_killed(served_sites):
    sites, each = served_sites, 75
    jobs = sites.submit(each, 'sleep 0.2; echo well > "$0"')

    def after(count: int) -> None:
        met = lambda: sites.states(jobs)["finished"] >= count  # noqa: E731
        sites.system.wait_for(met, f"{count} jobs are finished", LONG)

    after(20)
    sites.pool.kill_schedd()
    after(40)
    sites.cluster.stop_controller()
    sites.cluster.start_controller()
    after(60)
    sites.cluster.run("scontrol", "update", "nodename=n3", "state=drain", "reason=test")
    after(80)
    sites.tell(SWITCH, {"queue": "SLURM_B", "status": "offline"})
    chosen = random.Random(1)
    for count in (100, 120, 140):
        after(count)
        # Between two generations there may be none for a moment.
        sites.system.wait_for(lambda: any(map(_is_pilot, sites.pilots())), "there are pilots to kill")
        pilots = [process for process in sites.pilots() if _is_pilot(process)]
        for process in chosen.sample(pilots, -(-len(pilots) * 3 // 10)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
    sites.tell(SWITCH, {"queue": "SLURM_B", "status": "online"})
    sites.cluster.run("scontrol", "update", "nodename=n3", "state=resume")
    after(len(jobs))
    sites.see_that_nothing_is_left(each)
    killed = sites.rows.count("SELECT COUNT(*) FROM pilots_pilot WHERE state = 'done' AND exit_code = 137")
    assert killed >= 3, "the pilots that were killed are seen as such"


def _is_pilot(process: psutil.Process) -> bool:
    """Say whether it is a pilot itself: below its wrapper, above its payload."""
    try:
        words = process.cmdline()
    except psutil.NoSuchProcess:
        return False
    return "-I" in words and any(word.endswith("pilot.pyz") for word in words)
