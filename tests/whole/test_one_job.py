"""One job, from its submission to its end: the real server and real pilots, as processes, on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from tests.server.manage.running import ROOT, Peer, Server, free_port, init
from tests.whole.local_system import PATIENCE, ticks

pytestmark = pytest.mark.one_python

SUBMIT, KILL, STATUS = "/api/v1/job/submit", "/api/v1/job/kill", "/api/v1/job/get_status"
COMMAND = "/api/v1/job/set_command"
INPUT = {"lfn": "in.txt", "type": "input", "dataset": "ds", "endpoint": "LOCAL_STORAGE"}
OUTPUT = {"lfn": "out.txt", "type": "output", "dataset": "ds", "endpoint": "LOCAL_STORAGE"}
LOG = {"lfn": "job.log.tgz", "type": "log", "dataset": "ds", "endpoint": "LOCAL_STORAGE"}


@dataclass
class System:
    folder: Path
    prefix: list[str] = field(default_factory=list)  # a program that starts the pilot
    environment: dict[str, str] = field(default_factory=dict)  # beside what every pilot has
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)  # settings of the server
    workers: int = 1  # of the server

    def __post_init__(self):
        self.home, self.storage, self.base = (self.folder / name for name in ("home", "storage", "work"))
        words = ("--local-queue", "LOCAL", "--storage", str(self.storage), "--slots", "0")
        done = init(self.home, *words, **self.told)
        assert done.returncode == 0, done.stderr
        self.port = free_port()
        self.restart()

    def restart(self):
        self.server = Server(self.home, self.port, workers=self.workers, **self.told)

    def call(self, role, verb, path, fields=None):
        peer = Peer(self.port, (self.home / f"{role}.token").read_text().strip())
        answer = peer.call(verb, path, fields)
        peer.close()
        assert answer["success"], answer
        return answer["data"]

    def submit(self, script, files=(LOG,), **more):
        entry = {
            "computingSite": "LOCAL",
            "transformation": "/bin/sh",
            "jobParameters": ["-c", script],
            "files": list(files),
            "maxAttempt": 1,
            **more,
        }
        return self.call("production", "POST", SUBMIT, {"jobs": [entry]})[0][0]

    def state(self, job):
        return self.call("production", "GET", f"{STATUS}?job_ids={job}&job_ids={job}")[0][0]

    def checked(self, *options):
        """Run ``pilot check`` to its end; answer its status and what it said."""
        pilot = self.pilot(*options, command=["check"], stdout=subprocess.PIPE)
        said, _ = pilot.communicate(timeout=60)
        return pilot.returncode, said

    def pilot(self, *options, command=(), stdout=None, **settings):
        plain = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
        told = {f"COMPASS_PILOT__{name.upper()}": str(value) for name, value in settings.items()}
        argv = [*self.prefix, sys.executable, "-m", "pilot", *command, "-q", "LOCAL"]
        argv += ["--url", f"http://127.0.0.1:{self.port}"]
        argv += ["-a", str(self.base), "--token-file", str(self.home / "pilot.token"), *options]
        environment = {
            **plain,
            "PYTHONPATH": str(ROOT),
            "COMPASS_PILOT__JOB__ASK_WAIT": "0.05",
            "COMPASS_PILOT__SERVER__REPORT_WAIT": "0.05",
            "COMPASS_PILOT__STOP__WITHIN": "10",
            "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000",
            **self.environment,
            **told,
        }
        pipes = {"stdout": stdout, "stderr": subprocess.PIPE}
        started = subprocess.Popen(argv, env=environment, cwd=self.folder, text=True, **pipes)
        self.started.append(started)
        return started

    def run(self, *options, **settings):
        pilot = self.pilot("-v", "1", *options, **settings)
        _, said = pilot.communicate(timeout=60)
        return pilot.returncode, said

    def close(self):
        for pilot in self.started:
            if pilot.poll() is None:
                pilot.kill()
            pilot.communicate()
        if self.server.process.poll() is None:
            self.server.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = System(tmp_path_factory.mktemp("system"))
    yield made
    made.close()


@pytest.fixture
def system(shared, tmp_path):
    """The one server, with a clean storage and a disk for this test's pilots."""
    shared.base = tmp_path / "work"
    for path in shared.storage.rglob("*"):
        if path.is_file():
            path.unlink()
    return shared


def begun(system, script="exec sleep 60", **settings):
    """Start a job that lasts, and answer it with its pilot once its payload and the server say that it runs."""
    fifo = system.base.with_name("begun")
    os.mkfifo(fifo)
    job = system.submit(f"echo here > {fifo}; {script}")
    pilot = system.pilot(**settings)
    with fifo.open() as told:
        assert told.read() == "here\n"
    assert any(system.state(job) == "running" for _ in ticks(PATIENCE))
    return job, pilot


def test_a_job_with_input_output_and_log_is_finished(system):
    (system.storage / "ds").mkdir(exist_ok=True)
    (system.storage / "ds" / "in.txt").write_text("muon")
    job = system.submit("cat in.txt in.txt > out.txt", [INPUT, OUTPUT, LOG])
    status, said = system.run()
    assert status == 0, said
    assert system.state(job) == "finished"
    assert (system.storage / "ds" / "out.txt").read_text() == "muonmuon"
    assert (system.storage / "ds" / "job.log.tgz").exists()


def test_a_payload_that_fails_fails_its_job(system):
    job = system.submit("echo no beam >&2; exit 3")
    status, said = system.run()
    assert status == 90
    assert "no beam" in said
    assert system.state(job) == "failed"


def test_a_job_that_is_killed_on_the_server_ends_on_the_node(system):
    job, pilot = begun(system, monitor__heartbeat=0.2)
    system.call("production", "POST", KILL, {"job_ids": [job]})
    assert pilot.wait(30) == 91
    assert system.state(job) in ("cancelled", "failed", "closed")


def test_a_running_jobs_last_lines_are_on_the_server_and_a_soft_kill_lets_it_end_in_its_own_way(system):
    script = "trap 'echo saved; exit 0' TERM; echo event 7; while :; do sleep 0.02; done"
    job, pilot = begun(system, script, monitor__heartbeat=0.2)
    log = f"/api/v1/job/get_log?job_id={job}"
    assert any("event 7" in system.call("production", "GET", log)["text"] for _ in ticks(PATIENCE))
    system.call("production", "POST", COMMAND, {"job_id": job, "command": "debug,softkill"})
    assert pilot.wait(30) == 91
    assert system.state(job) == "cancelled"
    assert "saved" in system.call("production", "GET", log)["text"]


def test_jobs_of_one_and_of_several_cores_share_a_slot(system):
    lines = system.base.with_name("lines")
    lines.touch()
    cores = {
        system.submit(
            f"echo $PANDAID 1 >> {lines}; sleep 0.5; echo $PANDAID -1 >> {lines}", (), coreCount=wanted
        ): wanted
        for wanted in (3, 2, 1, 1, 4)
    }
    status, said = system.run(job__at_once=5, job__cores=4, job__time_floor=1000)
    assert status == 0, said
    assert {system.state(job) for job in cores} == {"finished"}
    busy = most = 0
    for line in lines.read_text().splitlines():
        number, sign = map(int, line.split())
        busy += sign * cores[number]
        most = max(most, busy)
    assert most == 4, "all that there is, and never more"


def test_forty_jobs_of_a_supercomputers_queue_end_once_each_in_one_allocation(system):
    jobs = [system.submit(f"exit {number % 2}", ()) for number in range(40)]
    _, said = system.run("-w", "generic_hpc", hpc__ranks_per_node=40, hpc__quiet=1, hpc__look=0.2)
    assert [system.state(job) for job in jobs] == ["finished", "failed"] * 20, said
    place = next(system.base.glob("compass-pilot-*"))
    assert len(list(place.glob("allocation-*"))) == 1


def test_a_pilot_that_is_told_to_end_reports_its_job(system):
    job, pilot = begun(system)
    pilot.send_signal(signal.SIGTERM)
    assert pilot.wait(30) == 128 + signal.SIGTERM
    assert system.state(job) == "failed"
    assert (system.storage / "ds" / "job.log.tgz").exists()


def test_the_job_of_a_pilot_that_died_is_reported_by_the_next_one(system):
    job, pilot = begun(system)
    pilot.kill()
    pilot.wait(10)
    assert system.state(job) == "running"
    assert system.run()[0] == 82
    assert system.state(job) == "failed"


def test_a_server_that_dies_in_between_gets_the_report_when_it_is_back(system):
    release = system.base.with_name("release")
    os.mkfifo(release)
    job, pilot = begun(system, f"read line < {release}; echo done > out.txt")
    system.server.end(signal.SIGKILL)
    release.write_text("go\n")
    with pytest.raises(subprocess.TimeoutExpired):
        pilot.wait(1)  # it has nobody to tell, and does not give up
    system.restart()
    assert pilot.wait(30) == 0
    assert system.state(job) == "finished"


def test_a_pilot_with_a_wrong_token_is_told_so(system, tmp_path):
    system.submit("true")
    wrong = tmp_path / "token"
    wrong.write_text("wrong\n")
    status, said = system.run("--token-file", str(wrong))
    assert (status, "IDENTITY_REFUSED (1905)" in said) == (68, True)
    assert system.run()[0] == 0


def test_a_queue_that_nobody_knows_is_named(system):
    status, said = system.run("-q", "ATLANTIS")
    assert (status, "ATLANTIS" in said) == (71, True)


@pytest.mark.parametrize("code", [ErrorCode.NO_SUCH_FILE, ErrorCode.OUTPUT_MISSING])
def test_a_file_that_is_missing_fails_the_job_with_a_code(system, code):
    files = [INPUT, LOG] if code is ErrorCode.NO_SUCH_FILE else [OUTPUT, LOG]
    job = system.submit("true", files)
    _, said = system.run()
    assert code.name in said or ErrorCode.MISSING_INPUT.name in said
    assert system.state(job) == "failed"


def test_the_legacy_dialect_runs_a_job_too(system):
    job = system.submit("true")
    status, said = system.run("--dialect", "legacy")
    assert status == 0, said
    assert system.state(job) == "finished"
