"""Whole pilots whose payloads' lines go to a log service while they run; and services that are of no use."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import to_panda
from tests.pilot.dispatcher import QUEUE, queue_data, serving
from tests.pilot.realtime.services.standing_in import over_http

pytestmark = pytest.mark.one_python

LOG = FileSpec("log.tgz", Role.LOG, dataset="ds", endpoint="STORE")


class Stage:
    """A server, and pilots with settings of their own."""

    def __init__(self, folder: Path, dispatcher) -> None:
        self.folder, self.dispatcher, self.base = folder, dispatcher, folder / "base"
        self.base.mkdir()
        (folder / "storage/ds").mkdir(parents=True)
        self.started: list[subprocess.Popen[str]] = []

    def give(self, script: str, **raw) -> None:
        self.dispatcher.raw_jobs.append(
            {**to_panda(JobSpec(7, 1, "/bin/sh", ("-c", script), task_id=3, log=LOG)), **raw}
        )

    def pilot(self, *argv: str, **realtime) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_PILOT")}
        environment.update({f"COMPASS_PILOT__REALTIME__{name.upper()}": str(value) for name, value in realtime.items()})
        environment["COMPASS_PILOT__MONITOR__FREE_DISK_AT_START"] = "0"
        words = ["-q", QUEUE, "--url", self.dispatcher.url, "-a", str(self.base), "--pilotuser", "generic", "-v", "1"]
        pilot = subprocess.Popen(
            [sys.executable, "-m", "pilot", *words, "--cleanup", "False", *argv],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(pilot)
        return pilot

    def end(self, pilot: subprocess.Popen[str]) -> str:
        """Wait for a pilot's end, which has to be a good one; answer its log."""
        words = pilot.communicate(timeout=60)[1]
        assert pilot.returncode == 0, words
        assert [update["job_status"] for update in self.dispatcher.finals()] == ["finished"]
        return "".join(log.read_text() for log in self.base.glob("compass-pilot-*/pilotlog.txt"))


@pytest.fixture
def stage(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        made = Stage(tmp_path, dispatcher)
        yield made
        for pilot in made.started:
            if pilot.poll() is None:
                pilot.kill()
            pilot.communicate()


def test_a_payloads_lines_arrive_while_it_runs(stage, syslog_ng):
    (go := stage.folder / "go").touch()
    stage.give(f"echo begun; while [ -e {go} ]; do sleep 0.1; done; echo ended; echo unseen >&2")
    options = ["--use-realtime-logging", "--realtime-logging-server", f"logstash:localhost:{syslog_ng.tls}"]
    pilot = stage.pilot(*options, authorities=syslog_ng.authority.file, wait=0.05)
    (begun,) = map(json.loads, syslog_ng.lines(1))
    assert pilot.poll() is None
    assert (begun["message"], begun["PandaJobID"], begun["TaskID"], begun["sequence"]) == ("begun", 7, 3, 1)
    go.unlink()
    assert [json.loads(line)["message"] for line in syslog_ng.lines(1)] == ["ended"]
    stage.end(pilot)


def test_a_queue_asks_for_it_and_the_server_gives_the_login_which_stands_nowhere(stage):
    with over_http(lambda _: (200, b"ok")) as (port, heard):
        stage.dispatcher.queue = queue_data(catchall=f"logging=logstash;http://127.0.0.1:{port},loggingfile=run.log")
        secrets = {"logstash_login": "pilot", "logstash_password": "of-logstash"}
        stage.give("printf 'to run.log of-%s\\n' logstash > run.log; env", pilotSecrets=secrets)
        log = stage.end(stage.pilot())
    records = [record for request in heard for record in request.said]
    assert [(record["file"], record["message"]) for record in records] == [("run.log", "to run.log ********")]
    assert all(request.headers["Authorization"].startswith("Basic ") for request in heard)
    assert "of-logstash" not in log
    for path in stage.base.glob("compass-pilot-*/**/*"):
        if path.is_file() and path.name != "run.log":
            assert b"of-logstash" not in path.read_bytes(), path
    assert b"of-logstash" not in b"".join(json.dumps(update).encode() for update in stage.dispatcher.updates)


def test_debug_mode_switched_on_while_a_payload_runs_has_its_lines_sent(stage):
    (go := stage.folder / "go").touch()
    arrived = threading.Event()
    with over_http(lambda _: (arrived.set(), (204, b""))[1]) as (port, heard):
        stage.give(f"echo begun; while [ -e {go} ]; do sleep 0.1; done; echo ended")
        stage.dispatcher.commands[7] = "debug"  # said in answer to a report, and the login with it
        stage.dispatcher.secrets[7] = {"loki_login": "pilot", "loki_password": "of-loki"}
        pilot = stage.pilot(server=f"loki;http://127.0.0.1:{port}", wait=0.05)
        assert arrived.wait(20)
        assert pilot.poll() is None
        go.unlink()
        stage.end(pilot)
    assert all(request.headers["Authorization"].startswith("Basic ") for request in heard)
    values = [value for request in heard for stream in request.said["streams"] for value in stream["values"]]
    assert [json.loads(line)["message"] for _, line in values] == ["begun", "ended"]


@pytest.mark.parametrize("service", ["logstash;tls", "loki;http"])
def test_a_log_service_that_hangs_does_not_hold_a_job_back(stage, service):
    stage.give("echo one; echo two")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"{service}://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        pilot = stage.pilot(use=True, server=server, timeout=1, at_end=1)
        stage.dispatcher.wait_for(stage.dispatcher.finals)
        final = time.monotonic() - began
        log = stage.end(pilot)
        assert final < 30
        assert time.monotonic() - began < final + 30
    assert "does not take lines" in log
    assert "8 bytes at the end" in log


def test_a_log_service_that_is_not_there_is_told_once(stage):
    stage.give("for i in 1 2 3 4 5; do echo $i; sleep 0.2; done")
    log = stage.end(stage.pilot(use=True, server="logstash;tcp://127.0.0.1:9", wait=0.05))
    assert log.count("does not take lines") == 1


def test_what_is_no_log_service_is_told_and_the_job_runs(stage):
    stage.give("echo one")
    log = stage.end(stage.pilot(use=True, server="splunk;tls://logs"))
    assert "real-time logging" in log
    assert "realtime.server: 'splunk;tls://logs' is no log service" in log


def test_nobody_who_does_not_ask_for_it_has_anything_of_it_loaded(stage):
    stage.give("echo one")
    code = (
        "import os, sys\n"
        "leave = os._exit\n"
        "def told(status):\n"
        "    print(*sorted(n for n in sys.modules if n.startswith(('pilot.realtime', 'pilot.broker'))), flush=True)\n"
        "    leave(status)\n"
        "os._exit = told\n"
        "from pilot.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    words = ["-q", QUEUE, "--url", stage.dispatcher.url, "-a", str(stage.base), "--pilotuser", "generic", "-v", "1"]
    environment = {**os.environ, "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "0"}
    argv = [sys.executable, "-c", code, *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
