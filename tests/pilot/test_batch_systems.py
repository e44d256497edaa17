"""Pilots as batch jobs of a real HTCondor and a real Slurm: what they say of them, and how these end them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.exit_codes import ExitCode
from pilot.contract.job import FileSpec, JobSpec, Role
from tests.pilot.dispatcher import QUEUE, serving

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parents[2]
#: Seconds until a batch job has to be what a test waits for, and between two questions.
PATIENCE, LOOK = 40.0, 0.2
#: A payload that says that it runs, and goes on until it is ended.
WAITS = "echo $$ > up.new; mv up.new up; exec sleep 300"


class Site:
    """A server, and a folder that pilots of a batch system work in."""

    def __init__(self, folder: Path, dispatcher):
        self.folder, self.dispatcher = folder, dispatcher
        (folder / "storage" / "ds").mkdir(parents=True)
        self.environment = {
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": os.environ["PATH"],
            "GTAG": "tag-1",
            "COMPASS_PILOT_TOKEN": "tok-secret-1",
            "COMPASS_PILOT__JOB__REQUESTS": "1",
            "COMPASS_PILOT__JOB__ASK_WAIT": "0.05",
            "COMPASS_PILOT__SERVER__REPORT_WAIT": "0.05",
            "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000",
            "COMPASS_PILOT__STOP__WITHIN": "8",
        }

    @property
    def arguments(self):
        base = self.folder / "base"
        return ["-m", "pilot", "-q", QUEUE, "--url", self.dispatcher.url, "-a", str(base)]

    def offer(self, script, id=7):
        log = FileSpec(f"job-{id}.log.tgz", Role.LOG, dataset="ds")
        self.dispatcher.jobs.append(JobSpec(id, 1, transformation="/bin/sh", arguments=("-c", script), log=log))

    def wait_for_running(self):
        self.dispatcher.wait_for(lambda: any(each["job_status"] == "running" for each in self.dispatcher.updates))
        wait(lambda: list(self.folder.glob("base/*/*/up")), "the payload does not begin")

    def final(self):
        self.dispatcher.wait_for(lambda: len(self.dispatcher.finals()) == 1)
        (update,) = self.dispatcher.finals()
        return update


def wait(met, words):
    waiting = threading.Event()
    for _ in range(int(PATIENCE / LOOK)):
        if met():
            return
        waiting.wait(LOOK)
    raise AssertionError(words)


@contextmanager
def serving_site():
    """A site of its own, for one test or for several."""
    folder = Path(tempfile.mkdtemp(prefix="site-"))
    try:
        with serving(folder / "storage") as dispatcher:
            yield Site(folder, dispatcher)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def site():
    with serving_site() as made:
        yield made


@pytest.mark.parametrize(
    ("first", "code"), [("the payload", ErrorCode.SIGTERM), ("the payload alone", ErrorCode.PAYLOAD_SIGNALLED)]
)
def test_who_ends_everything_in_a_slot_is_the_cause_whatever_hears_it_first(site, first, code):
    site.offer(WAITS)
    argv = [sys.executable, *site.arguments]
    pilot = subprocess.Popen(argv, env=site.environment, cwd=site.folder, stderr=subprocess.DEVNULL)
    try:
        site.wait_for_running()
        (up,) = site.folder.glob("base/*/*/up")
        payload = psutil.Process(int(up.read_text()))
        payload.terminate()
        payload.wait(10)
        if first == "the payload":
            pilot.terminate()
        assert site.final()["pilot_error_code"] == code
    finally:
        pilot.terminate()
        pilot.wait(30)


@pytest.mark.parametrize("starter", ["silent", "gone", "nonsense"])
def test_a_starter_of_htcondor_that_does_not_listen_delays_no_job(site, starter):
    site.offer("true")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        words = {"silent": f"127.0.0.1 {silent.getsockname()[1]} cookie", "gone": "", "nonsense": "what?"}
        config = site.folder / ".chirp.config"
        if starter != "gone":
            config.write_text(words[starter])
        variables = {"_CONDOR_CHIRP_CONFIG": str(config), "COMPASS_PILOT__CHIRP__TIMEOUT": "8"}
        argv = [sys.executable, *site.arguments]
        pilot = subprocess.Popen(argv, env={**site.environment, **variables}, stderr=subprocess.DEVNULL)
        site.dispatcher.wait_for(site.dispatcher.finals)
        if starter == "silent":  # it is still waited for, by nobody who has to do with jobs
            line, _ = silent.accept()
            with line:
                assert line.recv(100) == b"cookie cookie\n"
                line.setblocking(False)
                with pytest.raises(BlockingIOError):
                    line.recv(100)
        assert pilot.wait(30) in (0, ExitCode.NO_JOBS)
    assert site.final()["job_status"] == "finished"


# Slurm


class Jobs:
    """Pilots as batch jobs of Slurm; those that are left are ended."""

    def __init__(self, cluster, site):
        self.cluster, self.site, self.begun = cluster, site, []

    def submit(self, *options, arguments=()):
        """Submit a pilot that takes the place of the batch job's shell; answer the job's number."""
        script = self.site.folder / "batch.sh"
        script.write_text(f"#!/bin/sh\nexec {shlex.join([sys.executable, *(arguments or self.site.arguments)])}\n")
        argv = ["sbatch", "--parsable", f"--chdir={self.site.folder}", "--output=out", *options, str(script)]
        self.begun.append(self.cluster.run(*argv, **self.site.environment).strip())
        return self.begun[-1]

    def signal(self, number, *how):
        self.cluster.run("scancel", *how, number)

    def state(self, number):
        return self.cluster.run("squeue", "-h", "-t", "all", "-j", number, "-O", "State:20,exit_code:10").split()

    def over(self, number):
        wait(lambda: self.state(number)[0] not in ("PENDING", "RUNNING", "COMPLETING"), "it does not end")
        return self.state(number)

    def close(self):
        for number in self.begun:
            self.signal(number)


@pytest.fixture
def batch(slurm, site, limited):
    jobs = Jobs(slurm, site)
    yield jobs
    jobs.close()


@pytest.fixture(scope="module")
def limited(slurm):
    """A pilot whose time is over: it begins first and is looked at last, for Slurm looks but every 30 s."""
    with serving_site() as site:
        jobs = Jobs(slurm, site)
        site.offer(WAITS)
        number = jobs.submit()
        site.wait_for_running()
        slurm.run("scontrol", "update", f"jobid={number}", "EndTime=now+1seconds")
        yield jobs, number
        jobs.close()


def test_a_pilot_under_slurm_knows_its_batch_job(batch, site):
    options = ["--wait", "-N1", "-n1", "-c2", "--mem-per-cpu=100", "-p", "debug"]
    number = batch.submit(*options, arguments=["-m", "pilot", "environment", "--json"])
    said = json.loads((site.folder / "out").read_text())["batch"]
    assert said["system"] == "slurm"
    assert said["job_id"] == number
    assert (said["queue"], said["slot"], said["cores"], said["memory"]) == ("debug", "0", 2, 200 * 2**20)


@pytest.mark.parametrize(
    ("how", "code", "state"),
    [
        (("--signal=USR1", "--batch"), ErrorCode.SIGUSR1, "FAILED"),  # as sbatch --signal=B:USR1@... has it sent
        (("--signal=TERM", "--full"), ErrorCode.SIGTERM, "FAILED"),
        ((), ErrorCode.SIGTERM, "CANCELLED"),
    ],
)
def test_a_pilot_that_slurm_ends_reports_its_job_and_leaves_nothing(batch, site, how, code, state):
    site.offer(WAITS)
    number = batch.submit()
    site.wait_for_running()
    batch.signal(number, *how)
    final = site.final()
    assert (final["job_status"], final["pilot_error_code"]) == ("failed", code)
    assert final["batch_id"] == number
    assert final["pilot_id"].startswith("tag-1|slurm|compass-pilot|")
    assert batch.over(number)[0] == state
    assert (site.folder / "storage" / "ds" / "job-7.log.tgz").exists()


# HTCondor


@pytest.fixture
def condor(htcondor, site):
    """Submit pilots; end those that are left."""
    begun = []

    def submit(**more):
        argv = " ".join(site.arguments)
        begun.append(htcondor.submit(sys.executable, argv, site.environment, **more))
        return begun[-1]

    yield submit
    for number in begun:
        htcondor.run("condor_rm", number, check=False)


def test_a_pilot_under_htcondor_knows_its_batch_job(htcondor, site):
    number = htcondor.submit(sys.executable, "-m pilot environment --json", site.environment, request_cpus="2")
    htcondor.wait(lambda: htcondor.attribute(number, "JobStatus") == "4", "it does not end")
    said = json.loads(htcondor.output(number))["batch"]
    assert said["system"] == "htcondor"
    assert said["job_id"] == htcondor.attribute(number, "GlobalJobId")
    assert said["slot"].startswith("slot1_")
    assert said["cores"] == 2
    assert said["memory"] == 128 * 2**20


@pytest.mark.parametrize(("proxy", "prefix"), [("true", ""), ("false", "Chirp")])
def test_htcondor_shows_the_job_that_a_pilot_has(htcondor, condor, site, proxy, prefix):
    site.offer(WAITS)
    number = condor(want_io_proxy=proxy)
    site.wait_for_running()
    wait(lambda: htcondor.attribute(number, f"{prefix}PandaJobState") == "running", htcondor.output(number, "err"))
    assert htcondor.attribute(number, f"{prefix}PandaID") == "7"
    assert htcondor.attribute(number, f"{prefix}PandaJobs") == "7:running"
    assert htcondor.attribute(number, f"{prefix}PandaPilotId").startswith("tag-1|")
    htcondor.run("condor_rm", number)
    final = site.final()
    assert final["pilot_error_code"] == ErrorCode.SIGTERM
    assert final["batch_id"] == htcondor.attribute(number, "GlobalJobId")
    assert final["pilot_id"].startswith("tag-1|htcondor|compass-pilot|")


def test_the_last_state_of_a_job_stays_in_the_history_of_htcondor(htcondor, condor, site):
    site.offer("true")
    number = condor(want_io_proxy="true")
    htcondor.wait(lambda: htcondor.attribute(number, "JobStatus") == "4", "it does not end")
    assert htcondor.attribute(number, "ExitCode") == "0", htcondor.output(number, "err")
    assert htcondor.attribute(number, "PandaJobState") == "finished"
    assert htcondor.attribute(number, "PandaID") == "7"


@pytest.mark.parametrize("by", ["condor_vacate_job", "periodic_remove"])
def test_a_pilot_that_htcondor_evicts_or_removes_ends_its_job_in_order(htcondor, condor, site, by):
    site.offer(WAITS)
    lines = {by: "JobStatus == 2 && time() - JobCurrentStartDate > 1"} if by == "periodic_remove" else {}
    number = condor(**lines)
    if not lines:
        site.wait_for_running()
        htcondor.run(by, number)
    final = site.final()
    assert final["job_status"] == "failed"
    assert final["pilot_error_code"] == ErrorCode.SIGTERM
    wait((site.folder / "storage" / "ds" / "job-7.log.tgz").exists, "no log is stored")


def test_a_pilot_whose_time_is_over_says_so_of_its_job(limited):
    jobs, number = limited
    assert jobs.over(number)[0] == "TIMEOUT"
    final = jobs.site.final()
    assert (final["job_status"], final["pilot_error_code"]) == ("failed", ErrorCode.SIGTERM)
    assert (jobs.site.folder / "storage" / "ds" / "job-7.log.tgz").exists()
