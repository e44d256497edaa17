"""Whole pilots that listen to a real RabbitMQ: called to ask for work, told to end tasks, and alone without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from tests.pilot.dispatcher import QUEUE, serving
from tests.services.rabbitmq import PASSWORD, USER

pytestmark = pytest.mark.one_python

TOPIC = "/topic/panda.pilot"


class Stage:
    """A server, a broker, and pilots that know both."""

    def __init__(self, folder: Path, dispatcher, rabbitmq) -> None:
        self.folder, self.dispatcher, self.rabbitmq = folder, dispatcher, rabbitmq
        self.base, self.login = folder / "base", folder / "login"
        self.base.mkdir()
        (folder / "storage/ds").mkdir(parents=True)
        self.login.touch(mode=0o600)
        self.login.write_text(f"{USER}\n{PASSWORD}\n")
        self.started: list[subprocess.Popen[str]] = []

    def pilot(self, *argv: str, port: int = 0, **broker) -> subprocess.Popen[str]:
        chosen = {"host": "/", "credentials_file": self.login, "authorities": self.rabbitmq.authority.file, **broker}
        chosen["url"] = f"stomps://localhost:{port or self.rabbitmq.tls}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_PILOT")}
        environment.update({f"COMPASS_PILOT__BROKER__{name.upper()}": str(value) for name, value in chosen.items()})
        environment["COMPASS_PILOT__MONITOR__FREE_DISK_AT_START"] = "0"
        words = ["-q", QUEUE, "--url", self.dispatcher.url, "-a", str(self.base), "--pilotuser", "generic"]
        words += ["--subscribe-to-msgsvc", *argv]
        pilot = subprocess.Popen(
            [sys.executable, "-m", "pilot", *words], env=environment, stderr=subprocess.PIPE, text=True
        )
        self.started.append(pilot)
        return pilot

    def job(self, number: int, script: str, task_id: int = 3) -> JobSpec:
        log = FileSpec(f"log.{number}.tgz", Role.LOG, dataset="ds", endpoint="STORE")
        return JobSpec(number, 1, "/bin/sh", ("-c", script), task_id=task_id, log=log)

    def asked(self, times: int) -> None:
        self.dispatcher.wait_for(lambda: len(self.dispatcher.asked) >= times)

    def words(self) -> str:
        return "".join(log.read_text() for log in self.base.glob("compass-pilot-*/pilotlog.txt"))

    def heard(self, words: str) -> None:
        """Wait until something stands in the pilot's log."""
        until = time.monotonic() + 20
        while words not in self.words():
            assert time.monotonic() < until, self.words()
            time.sleep(0.05)

    def end(self, pilot: subprocess.Popen[str]) -> str:
        pilot.terminate()
        return pilot.communicate(timeout=30)[1]


@pytest.fixture
def stage(tmp_path, rabbitmq):
    with serving(tmp_path / "storage") as dispatcher:
        made = Stage(tmp_path, dispatcher, rabbitmq)
        yield made
        for pilot in made.started:
            if pilot.poll() is None:
                pilot.kill()
            pilot.communicate()


def test_an_idle_pilot_waits_for_a_message_and_then_asks_at_once(stage):
    pilot = stage.pilot("--leasetime", "0", "--cleanup", "False")
    stage.asked(1)
    stage.heard("listening to stomps://")
    assert len(stage.dispatcher.asked) == 1
    used = cpu_time(pilot)
    time.sleep(1)  # nothing happens, and that is what is tested
    assert cpu_time(pilot) - used < 0.1
    stage.dispatcher.jobs.append(stage.job(7, "echo done"))
    began = time.monotonic()
    stage.rabbitmq.send(TOPIC, b'{"msg_type": "get_job", "taskid": 3}')
    stage.dispatcher.wait_for(stage.dispatcher.finals)
    assert time.monotonic() - began < 20
    first, second = stage.dispatcher.asked[:2]
    assert (first.get("via_topic"), second["via_topic"]) == (None, True)
    assert stage.dispatcher.finals()[0]["job_status"] == "finished"
    stage.end(pilot)
    assert PASSWORD not in stage.words()


def cpu_time(pilot: subprocess.Popen[str]) -> float:
    """Answer the seconds of processor time that a pilot has used."""
    fields = Path(f"/proc/{pilot.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"msg_type": "kill_task", "taskid": 3}, "failed"),
        ({"msg_type": "finish_task", "taskid": 3, "jobid": 7}, "failed"),
    ],
)
def test_a_task_is_ended_by_a_message_and_others_are_not(stage, message, status):
    script = "trap 'echo asked; exit 0' TERM; echo begun; while :; do sleep 0.1; done"
    stage.dispatcher.jobs.append(stage.job(7, script))
    pilot = stage.pilot("--cleanup", "False")
    stage.heard("listening to stomps://")
    stage.dispatcher.wait_for(lambda: any(update["job_status"] == "running" for update in stage.dispatcher.updates))
    for wrong in ({**message, "taskid": 4}, {**message, "jobid": 8}, {"msg_type": "reboot"}):
        stage.rabbitmq.send(TOPIC, json.dumps(wrong).encode())
    stage.heard("a message is passed over: msg_type is 'reboot'")
    assert not stage.dispatcher.finals()
    stage.rabbitmq.send(TOPIC, json.dumps(message).encode())
    stage.dispatcher.wait_for(stage.dispatcher.finals)
    (final,) = stage.dispatcher.finals()
    assert (final["job_status"], final["pilot_error_code"]) == (status, ErrorCode.KILLED_BY_SERVER.value)
    assert message["msg_type"] in final["pilot_error_diag"]
    stage.end(pilot)


def test_without_the_broker_a_pilot_works_as_ever_and_leaves_when_there_is_no_work(stage):
    stage.dispatcher.jobs.append(stage.job(7, "echo done"))
    pilot = stage.pilot("-v", "1", port=9)  # nobody listens there
    words = pilot.communicate(timeout=30)[1]
    assert pilot.returncode == 0, words
    assert stage.dispatcher.finals()[0]["job_status"] == "finished"


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        ({"credentials_file": "/nowhere/login"}, "broker.credentials_file: /nowhere/login cannot be read"),
        ({"destination": "panda"}, "broker.destination: 'panda'"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_asked(stage, broker, words):
    pilot = stage.pilot(**broker)
    assert words in pilot.communicate(timeout=30)[1]
    assert pilot.returncode != 0
    assert not stage.dispatcher.asked
