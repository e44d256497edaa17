"""Whole pilots under a played Harvester: it sees nothing but files in an access point, as the real one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import to_panda
from pilot.contract.queue import local_storage
from tests.pilot.dispatcher import QUEUE, queue_data, serving

ROOT = Path(__file__).parents[2]


class Harvester:
    """Feeds jobs and reads answers through one worker's access point; writes its files piece by piece, as it does."""

    def __init__(self, folder):
        self.access, self.storage = folder / "access", folder / "storage"
        self.access.mkdir()
        (self.storage / "ds").mkdir(parents=True)
        self.put("queuedata.json", queue_data())
        self.put("ddmendpoints.json", {"STORE": local_storage("STORE", str(self.storage))})
        self.folder, self.pilots = folder, []

    def put(self, name, value):
        text = value if isinstance(value, str) else json.dumps(value)
        with (self.access / name).open("w", buffering=1) as file:
            for at in range(0, len(text), 400):
                file.write(text[at : at + 400])
                file.flush()

    def feed(self, *jobs, form="json"):
        """Put a job file, and the numbers; then take the request away."""
        if form == "cgi":
            self.put("pandaJobData.out", urlencode(to_panda(jobs[0])))
        else:
            self.put("HPCJobs.json", {str(job.id): to_panda(job) for job in jobs})
        self.put("worker_pandaids.json", [job.id for job in jobs])
        (self.access / "worker_requestjob.json").unlink(missing_ok=True)

    def until(self, met, seconds=30):
        """Look again and again, as the real one does every few seconds."""
        deadline, tick = time.monotonic() + seconds, threading.Event()
        while (found := met()) is None or found is False:
            assert time.monotonic() < deadline, (
                f"it did not come; here are {[path.name for path in self.access.iterdir()]}"
            )
            tick.wait(0.01)
        return found

    def read(self, name):
        path = self.access / name
        return json.loads(path.read_text()) if path.exists() else None

    def state_of(self, job_id, name="worker_attributes.json"):
        said = self.read(name)
        return said["jobStatus"] if said and said["jobId"] == job_id else None

    def start(self, *options, **more):
        argv = [sys.executable, "-m", "pilot", "-q", QUEUE, "-a", str(self.folder / "base"), *options]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("COMPASS_", "HARVESTER_"))},
            "PYTHONPATH": str(ROOT),
            "COMPASS_PILOT__HARVESTER__ASK_WAIT": "0.05",
            "COMPASS_PILOT__HARVESTER__BEAT": "0.05",
            "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000",
            **more,
        }
        pilot = subprocess.Popen(argv, env=environment, cwd=self.folder, stderr=subprocess.PIPE, text=True)
        self.pilots.append(pilot)
        return pilot

    def by_files(self, *options, **more):
        return self.start("-z", "--harvester-workdir", str(self.access), *options, **more)

    def close(self):
        for pilot in self.pilots:
            if pilot.poll() is None:
                pilot.kill()
            pilot.communicate()


@pytest.fixture
def harvester(tmp_path):
    made = Harvester(tmp_path)
    yield made
    made.close()


def shell(number, script, outputs=(), log=None):
    return JobSpec(
        id=number,
        attempt=1,
        transformation="/bin/sh",
        arguments=("-c", script),
        outputs=tuple(FileSpec(name, Role.OUTPUT, dataset="ds") for name in outputs),
        log=FileSpec(log, Role.LOG, dataset="ds") if log else None,
    )


def test_two_jobs_that_were_asked_for_one_after_the_other_are_run_and_told(harvester):
    pilot = harvester.by_files(COMPASS_PILOT__JOB__TIME_FLOOR="600", COMPASS_PILOT__HARVESTER__REQUESTS="3")
    harvester.until(lambda: harvester.read("worker_requestjob.json") == {"nJobs": 1})
    harvester.feed(shell(7, "echo one > a.txt", ["a.txt"], "7.log.tgz"))
    harvester.until(lambda: harvester.state_of(7) == "finished")
    dump = harvester.read("event_status.dump.json")
    assert [(one["type"], Path(one["path"]).name) for one in dump["7"]] == [("output", "a.txt"), ("log", "7.log.tgz")]
    assert Path(dump["7"][0]["path"]).read_text() == "one\n"
    (harvester.access / "event_status.dump.json").rename(harvester.access / "event_status.dump.json.read")
    harvester.until((harvester.access / "worker_requestjob.json").exists)
    assert harvester.read("worker_heartbeat.json")["state"] == "running"
    harvester.feed(shell(8, "exit 3", log="8.log.tgz"), form="cgi")
    harvester.until(lambda: harvester.state_of(8) == "failed")
    assert pilot.wait(30) == 90
    said = harvester.read("worker_attributes.json")
    assert (said["pilotErrorCode"], said["transExitCode"]) == (ErrorCode.PAYLOAD_FAILED, 3)
    assert list(harvester.read("event_status.dump.json")) == ["8"]
    assert (harvester.access / "pandaIDs.out").read_text() == "7\n8\n"
    assert harvester.read("kill_worker.json")["reason"] == "the pilot has ended"
    assert not (harvester.access / "worker_requestjob.json").exists()


def test_one_worker_runs_many_jobs_in_one_allocation_and_tells_each_in_a_folder_of_its_own(harvester):
    jobs = [shell(number, f"echo {number} > {number}.txt", [f"{number}.txt"]) for number in range(1, 7)]
    harvester.feed(*jobs, shell(7, "exit 3", log="7.log.tgz"))
    more = {"COMPASS_PILOT__HPC__QUIET": "0.2", "COMPASS_PILOT__HPC__LOOK": "0.2"}
    pilot = harvester.by_files("-w", "generic_hpc", "--hpc-mode", "manytoone", **more)
    assert pilot.wait(60) == 90
    for number in range(1, 8):
        name = f"{number}/worker_attributes.json"
        assert harvester.state_of(number, name) == ("failed" if number == 7 else "finished")
        assert "hpcStatus=ended" in harvester.read(name)["jobMetrics"]
        assert list(harvester.read(f"{number}/event_status.dump.json")) == [str(number)]
    assert not (harvester.access / "HPCJobs.json").exists()
    assert not (harvester.access / "worker_attributes.json").exists()
    assert (harvester.access / "pandaIDs.out").read_text().split() == [str(number) for number in range(1, 8)]


def test_several_jobs_of_one_file_run_at_once_each_in_a_folder_of_its_own(harvester):
    for number in (7, 8):
        (harvester.access / str(number)).mkdir()
    harvester.feed(shell(7, "true"), shell(8, "true"), shell(9, "true"))
    pilot = harvester.by_files(COMPASS_PILOT__JOB__AT_ONCE="2")
    assert pilot.wait(30) == 0
    assert harvester.state_of(7, "7/worker_attributes.json") == "finished"
    assert harvester.state_of(8, "8/worker_attributes.json") == "finished"
    assert list(harvester.read("HPCJobs.json")) == ["9"]


@pytest.mark.parametrize("name", ["kill_worker.json", "kill_worker"])
def test_a_worker_that_is_killed_by_either_name_ends_its_job__peer_defect_16(harvester, name):
    harvester.feed(shell(7, "exec sleep 60"))
    pilot = harvester.by_files()
    harvester.until(lambda: harvester.state_of(7) == "running")
    harvester.put(name, "{}")
    assert pilot.wait(30) == 91
    said = harvester.read("worker_attributes.json")
    assert (said["jobStatus"], said["pilotErrorCode"]) == ("failed", ErrorCode.KILLED_BY_SERVER)


def test_a_worker_that_is_killed_before_it_began_takes_no_job(harvester):
    harvester.put("kill_worker.json", "{}")
    assert harvester.by_files().wait(30) == 91


def test_inputs_that_harvester_has_brought_are_used(harvester):
    (harvester.folder / "brought").write_text("hello")
    (harvester.access / "in.txt").symlink_to(harvester.folder / "brought")
    job = shell(7, "grep hello in.txt")
    harvester.feed(JobSpec(**{**vars(job), "inputs": (FileSpec("in.txt", Role.INPUT, endpoint="FAR"),)}))
    assert harvester.by_files().wait(30) == 0
    assert harvester.state_of(7) == "finished"


def test_a_pilot_that_harvester_never_feeds_leaves_without_a_request(harvester):
    pilot = harvester.by_files(COMPASS_PILOT__HARVESTER__REQUESTS="2")
    assert pilot.wait(30) == 82
    assert not (harvester.access / "worker_requestjob.json").exists()


def test_a_pilot_that_dies_is_reported_by_the_next_one_in_the_same_access_point(harvester):
    harvester.feed(shell(7, "exec sleep 60"))
    pilot = harvester.by_files()
    harvester.until(lambda: harvester.state_of(7) == "running")
    pilot.send_signal(signal.SIGKILL)
    pilot.wait(30)
    harvester.by_files(COMPASS_PILOT__HARVESTER__REQUESTS="1").wait(30)
    said = harvester.read("worker_attributes.json")
    assert (said["jobId"], said["jobStatus"], said["pilotErrorCode"]) == (7, "failed", ErrorCode.PILOT_LOST)


def test_a_worker_whose_jobs_are_pushed_tells_the_server_what_becomes_of_them(harvester):
    harvester.feed(shell(7, "true"))
    with serving(harvester.storage) as dispatcher:
        heard, known = [], dispatcher._answer

        def answer(path, body, headers):
            if path != "/api/v1/pilot/update_worker_status":
                return known(path, body, headers)
            heard.append(json.loads(body)["status"])
            return 200, b'{"success": true, "message": "", "data": null}'

        dispatcher._answer = answer
        pilot = harvester.start(
            *("--url", dispatcher.url, "--harvester-submit-mode", "PUSH"),
            HARVESTER_ID="hv",
            HARVESTER_WORKER_ID="12",
            HARVESTER_WORKDIR=str(harvester.access),
        )
        assert pilot.wait(30) == 0
        told = [update["job_status"] for update in dispatcher.updates]
        # A report that still waits when a newer one comes is not sent.
        assert told == [status for status in ("starting", "running", "finished") if status in told]
        assert told[-1] == "finished"
        assert heard == ["started", "finished"]
        assert "/api/v1/pilot/acquire_jobs" not in dispatcher.counts
    assert not (harvester.access / "worker_attributes.json").exists()


def test_a_request_of_harvesters_worker_says_whose_it_is(harvester):
    with serving(harvester.storage) as dispatcher:
        asked, known = [], dispatcher._acquire
        dispatcher._acquire = lambda said, request_id: asked.append(said) or known(said, request_id)
        pilot = harvester.start(
            *("--url", dispatcher.url, "-v", "1", "-k"), HARVESTER_ID="hv", HARVESTER_WORKER_ID="12"
        )
        assert pilot.wait(30) == 82
        assert (asked[0]["harvester_id"], asked[0]["worker_id"]) == ("hv", 12)
        assert "/api/v1/pilot/update_worker_status" not in dispatcher.counts


def test_a_server_that_is_slow_about_workers_delays_neither_the_first_request_nor_the_end(harvester):
    with serving(harvester.storage) as dispatcher:
        released, known = threading.Event(), dispatcher.answer

        def answer(path, body, headers):
            if "worker_status" in path:
                released.wait(120)
                raise ConnectionAbortedError
            return known(path, body, headers)

        dispatcher.answer = answer
        began = time.monotonic()
        pilot = harvester.start(
            *("--url", dispatcher.url, "-v", "1", "--dialect", "v1"), HARVESTER_ID="hv", HARVESTER_WORKER_ID="12"
        )
        dispatcher.wait_for(lambda: "/api/v1/pilot/acquire_jobs" in dispatcher.counts)
        asked = time.monotonic() - began
        assert pilot.wait(60) == 82
        released.set()
        assert asked < 30
        assert time.monotonic() - began < 60
