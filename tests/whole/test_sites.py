"""One server with two real batch systems, two queues each: every job ends once, and nothing is left in either.

In the long tests three hundred short jobs go through them, and beside these Monte Carlo productions of real events.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.server.manage.running import Peer
from tests.services import htcondor, postgresql, slurm
from tests.whole.admin_pages import AdminPages
from tests.whole.audit import Rows, complaints, wrongs
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
    folder, programs = Path(told["storage"], queue), Path(told["programs"])
    define_local_queue(queue, folder, cores=1, memory=500, slots=4, programs=programs)
    row = FactoryQueue.objects.get(queue=queue)
    row.batch_system = system
    row.full_clean()
    row.save()
"""
#: Where events are generated, and reconstructed from what was generated: a task of each, of so many chunks.
PHYSICS, CHUNKS, EVENTS = ("CONDOR_A", "SLURM_A"), 5, 20
#: How many attempts of a queue's jobs pilots were given, and how many they have.
GIVEN = "SELECT COUNT(*) FROM taskbuffer_attempt WHERE queue = ?"
LIVE = "SELECT COUNT(*) FROM taskbuffer_live WHERE queue = ?"
#: Seconds that a long test waits for its next step.
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
            "pool": ("htcondor", {"config": str(self.pool.client(self.system.home.parent.name))}),
            "cluster": ("slurm", {"conf": conf, "programs": programs, "python": sys.executable, "accounting": False}),
        }
        folders = {"storage": str(self.system.home / "storage"), "programs": str(Path(sys.executable).parent)}
        self.tell(DEFINE, {"systems": systems, "queues": QUEUES, **folders})

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

    def generate_and_reconstruct(self) -> None:
        """Order Monte Carlo productions: events are generated, and reconstructed chunk by chunk, merged and counted."""
        for queue in PHYSICS:
            place = {"production": queue.lower(), "year": 2016, "period": "P07", "soft": f"mc-{queue.lower()}"}
            place |= {"queue": queue, "max_attempts": 10}
            first = {**place, "name": f"{queue}-generation", "type": "mc_generation", "events_per_chunk": EVENTS}
            first["runs"] = f"278473, {CHUNKS}"
            second = {**place, "name": f"{queue}-reconstruction", "type": "mc_reconstruction", "parent": first["name"]}
            for task in (first, second):
                path = self.system.home / f"{task['name']}.json"
                path.write_text(json.dumps(task))
                status, out, said = self.system.call("task", "create", str(path), "--start")
                assert status == 0, f"{out}\n{said}"

    def switch(self, queue: str, status: str) -> None:
        """Switch a queue on or off by the admin's page."""
        password = (self.system.home / "server" / "admin_password").read_text().strip()
        pages = AdminPages(self.system.url(), password)
        pages.change(f"/admin/pandaconfig/schedconfig/{queue}/change/", status=status)
        assert self.rows.read("SELECT status FROM pandaconfig_schedconfig WHERE nickname = ?", queue) == [(status,)]

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

    def see_that_nothing_is_left(self, jobs: list[int]) -> None:
        """Hold that every job ended once, well, with its output; that no pilot, process or batch job is left."""
        written = self.system.home.glob("storage/**/*.txt")
        count = len(jobs) // len(QUEUES)
        assert sorted(path.name for path in written) == sorted(f"{q}.{n}.txt" for q in QUEUES for n in range(count))
        produces = self.rows.count("SELECT COUNT(*) FROM production_task")
        assert (complaints(self.rows, besides=jobs) if produces else wrongs(self.rows)) == []
        self.system.wait_for(lambda: self.batch_jobs() == [], "nothing is left in the batch systems")
        living = "SELECT COUNT(*) FROM pilots_pilot WHERE state IN ('submitted', 'queued', 'running', 'held')"
        self.system.wait_for(lambda: self.rows.count(living) == 0, "the factory sees that its pilots have ended")
        self.system.wait_for(lambda: self.pilots() == [], "no process of a pilot is left")

    def see_that_the_productions_are_done(self) -> None:
        """Hold that all events that were ordered are there, reconstructed and merged, and were counted."""
        done = "SELECT COUNT(*) FROM production_task WHERE state = 'done'"
        self.system.wait_for(lambda: self.rows.count(done) == 2 * len(PHYSICS), "the productions are done", LONG)
        assert self.rows.count("SELECT COUNT(*) FROM production_chunk WHERE state = 'finished'") == 20
        made = self.rows.count("SELECT SUM(events) FROM production_output WHERE kind = 'generated'")
        assert made == len(PHYSICS) * CHUNKS * EVENTS
        assert self.rows.count("SELECT COUNT(*) FROM production_crosscheck WHERE verdict = 'yes'") >= len(PHYSICS)


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
    sites.see_that_nothing_is_left(jobs)
    ends = sites.rows.read("SELECT DISTINCT batch_system, exit_code FROM pilots_pilot WHERE jobs > 0")
    assert sorted(map(tuple, ends)) == [("cluster", 0), ("pool", 0)]


@pytest.mark.campaign
def test_three_hundred_jobs_and_the_monte_carlo_end_once_in_two_batch_systems(served_sites):
    sites = served_sites
    sites.generate_and_reconstruct()
    jobs = sites.submit(75, 'sleep 0.2; echo well > "$0"')
    sites.system.wait_for(lambda: sites.states(jobs)["finished"] == len(jobs), "the short jobs are finished", LONG)
    sites.see_that_the_productions_are_done()
    sites.see_that_nothing_is_left(jobs)


@pytest.mark.campaign
def test_three_hundred_jobs_and_the_monte_carlo_end_once_while_batch_systems_die_and_pilots_are_killed(served_sites):
    sites = served_sites
    sites.generate_and_reconstruct()
    jobs = sites.submit(75, 'sleep 0.2; echo well > "$0"')

    def after(count: int) -> None:
        met = lambda: sites.states(jobs)["finished"] >= count  # noqa: E731
        sites.system.wait_for(met, f"{count} jobs are finished", LONG)

    after(20)
    kill_schedd(sites)
    after(40)
    restart_controller(sites)
    after(60)
    sites.cluster.run("scontrol", "update", "nodename=n3", "state=drain", "reason=test")
    after(80)
    given = switch_off_while_pilots_run(sites, "SLURM_B")
    chosen, killed = random.Random(1), 0
    for count in (100, 120, 140):
        after(count)
        killed += kill_some_pilots(sites, chosen)
    assert sites.rows.count(GIVEN, "SLURM_B") == given, "a queue that is offline is given nothing"
    sites.switch("SLURM_B", "online")
    # Drained, and not draining: nothing runs there.
    sites.system.wait_for(lambda: state_of(sites, "n3") == "drained", "what ran on the node has ended")
    sites.cluster.run("scontrol", "update", "nodename=n3", "state=resume")
    after(len(jobs))
    sites.see_that_the_productions_are_done()
    sites.see_that_nothing_is_left(jobs)
    seen = sites.rows.count("SELECT COUNT(*) FROM pilots_pilot WHERE state = 'done' AND exit_code = 137")
    assert killed >= seen >= 3, "the pilots that were killed are seen as such"


def kill_schedd(sites: Sites) -> None:
    before = sites.pool.schedds()
    sites.pool.kill_schedd()
    sites.system.wait_for(lambda: sites.pool.schedds() not in ([], before), "another schedd is there")


def restart_controller(sites: Sites) -> None:
    sites.cluster.stop_controller()
    assert "DOWN" in sites.cluster.run("scontrol", "ping", check=False)
    sites.cluster.start_controller()
    sites.cluster.until(lambda: "UP" in sites.cluster.run("scontrol", "ping", check=False), "it does not come back")


def switch_off_while_pilots_run(sites: Sites, queue: str) -> int:
    """Answer how many attempts of its jobs pilots had been given when the last of these had ended."""
    running = "SELECT COUNT(*) FROM pilots_pilot WHERE queue = ? AND state = 'running'"
    sites.system.wait_for(lambda: sites.rows.count(running, queue), "pilots of the queue run")
    sites.switch(queue, "offline")
    sites.system.wait_for(lambda: sites.rows.count(running, queue) == 0, "the pilots of the queue have ended")
    sites.system.wait_for(lambda: sites.rows.count(LIVE, queue) == 0, "they have given their jobs back")
    waiting = sites.rows.count("SELECT COUNT(*) FROM taskbuffer_job WHERE queue = ? AND state = 'activated'", queue)
    assert waiting > 0, "the queue was switched off too late"
    return sites.rows.count(GIVEN, queue)


def state_of(sites: Sites, node: str) -> str:
    return sites.cluster.run("sinfo", "-h", "-N", "-n", node, "-p", "standard", "-o", "%T").strip()


def kill_some_pilots(sites: Sites, chosen: random.Random) -> int:
    """Kill 30 % of the pilots that run; answer how many."""
    # Between two generations there may be none for a moment.
    sites.system.wait_for(lambda: any(map(_is_pilot, sites.pilots())), "there are pilots to kill")
    pilots = [process for process in sites.pilots() if _is_pilot(process)]
    some = chosen.sample(pilots, -(-len(pilots) * 3 // 10))
    for process in some:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return len(some)


def _is_pilot(process: psutil.Process) -> bool:
    """Say whether it is a pilot itself: below its wrapper, above its payload."""
    try:
        words = process.cmdline()
    except psutil.NoSuchProcess:
        return False
    return "-I" in words and any(word.endswith("pilot.pyz") for word in words)
