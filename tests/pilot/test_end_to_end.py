"""The whole pilot as a process, against a small real dispatcher: ends of jobs, bad servers, signals, sudden death."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Program, Role
from pilot.runtime import limits
from tests.pilot.dispatcher import QUEUE, Dispatcher, queue_data, serving

ROOT = Path(__file__).parents[2]
ACQUIRE, UPDATE = "/api/v1/pilot/acquire_jobs", "/api/v1/pilot/update_job"
#: A plugin of a third party: what is called hold-... is copied only after it was told that somebody waits.
SLOW = """
import os
from pilot.copytool.base import CopyCancelled
from pilot.copytool.local import Local
from pilot.hookspecs import hookimpl

class Slow(Local):
    name = "local"
    def copy(self, transfer, deadline, cancel):
        if transfer.lfn.startswith("hold-"):
            with open(os.environ["REACHED"], "w") as told:
                told.write("here")
            cancel.wait(60)
            raise CopyCancelled
        return super().copy(transfer, deadline, cancel)

@hookimpl
def register_copytools():
    return [Slow]
"""


@dataclass
class Stage:
    """A server, a disk, and pilots started on it."""

    folder: Path
    dispatcher: Dispatcher
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self):
        self.base, self.storage = self.folder / "base", self.folder / "storage" / "ds"
        self.storage.mkdir(parents=True)
        self.fifo = self.folder / "reached"
        os.mkfifo(self.fifo)
        self._listening = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        packages = self.folder / "packages"
        (packages / "slow-1.dist-info").mkdir(parents=True)
        (packages / "slow.py").write_text(SLOW)
        (packages / "slow-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
        (packages / "slow-1.dist-info" / "entry_points.txt").write_text("[compass_pilot.plugins]\nslow = slow\n")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COMPASS_PILOT")},
            "PYTHONPATH": f"{ROOT}{os.pathsep}{packages}",
            "REACHED": str(self.fifo),
            "COMPASS_PILOT_TOKEN": "tok-secret-1",
            "COMPASS_PILOT__JOB__ASK_WAIT": "0.05",
            "COMPASS_PILOT__SERVER__REPORT_WAIT": "0.05",
            "COMPASS_PILOT__SERVER__READ_TIMEOUT": "5",
            "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000",
            "COMPASS_PILOT__STOP__WITHIN": "4",
            "COMPASS_PILOT__PLUGINS__ALSO": "[slow]",
        }

    def start(self, *options, program="pilot", **settings):
        told = {f"COMPASS_PILOT__{name.upper()}": str(value) for name, value in settings.items()}
        argv = [
            sys.executable,
            "-m",
            program,
            "-q",
            QUEUE,
            "--url",
            self.dispatcher.url,
            "-a",
            str(self.base),
            *options,
        ]
        pilot = subprocess.Popen(
            argv, env={**self.environment, **told}, cwd=self.folder, stderr=subprocess.PIPE, text=True
        )
        self.started.append(pilot)
        return pilot

    def run(self, *options, **settings):
        """Run a pilot to its end; answer its status and what it wrote last."""
        pilot = self.start(*options, **settings)
        _, said = pilot.communicate(timeout=60)
        return pilot.returncode, said

    def reached(self):
        """Wait until a copy or a payload says that it has begun."""
        assert select.select([self._listening], [], [], 30)[0], "it was not reached"
        os.read(self._listening, 100)

    def final(self):
        (update,) = self.dispatcher.finals()
        return update

    def close(self):
        for pilot in self.started:
            if pilot.poll() is None:
                pilot.kill()
            pilot.communicate()
        os.close(self._listening)


@pytest.fixture
def stage(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        made = Stage(tmp_path, dispatcher)
        yield made
        made.close()


def job(*argv, id=7, inputs=(), outputs=(), log="job.log.tgz", **more):
    return JobSpec(
        id=id,
        attempt=1,
        transformation=argv[0] if argv else "true",
        arguments=argv[1:],
        inputs=tuple(FileSpec(name, Role.INPUT, dataset="ds") for name in inputs),
        outputs=tuple(FileSpec(name, Role.OUTPUT, dataset="ds") for name in outputs),
        log=FileSpec(log, Role.LOG, dataset="ds") if log else None,
        **more,
    )


def shell(script, **more):
    return job("/bin/sh", "-c", script, **more)


def log_member(stage, name):
    with tarfile.open(stage.storage / "job.log.tgz") as packed:
        return packed.extractfile(f"PanDA_Pilot-7-1/{name}").read().decode()


def test_a_job_with_input_output_and_log_is_finished_and_leaves_nothing_behind(stage):
    (stage.storage / "in.txt").write_text("hello")
    stage.dispatcher.jobs = [shell("cat in.txt in.txt > out.txt; echo said", inputs=["in.txt"], outputs=["out.txt"])]
    status, said = stage.run()
    assert (status, said) == (0, "pilot: 1 job finished (exit status 0)\n")
    told = [update["job_status"] for update in stage.dispatcher.updates]
    # A report that still waits when a newer one comes is not sent.
    assert told == [status for status in ("starting", "running", "finished") if status in told]
    assert told[-1] == "finished"
    assert set(json.loads(stage.final()["job_output_report"])) == {"out.txt", "job.log.tgz"}
    assert (stage.storage / "out.txt").read_text() == "hellohello"
    assert log_member(stage, "payload.stdout") == "said\n"
    assert "job 7.1: running" in log_member(stage, "pilotlog.txt")
    assert list(stage.base.iterdir()) == []


def test_a_failing_payload_is_reported_with_its_words_and_its_log(stage):
    stage.dispatcher.jobs = [shell("echo no beam >&2; exit 3", outputs=["out.txt"])]
    status, said = stage.run()
    assert status == 90
    assert "PAYLOAD_FAILED (1305)" in said
    assert "no beam" in said
    final = stage.final()
    assert (final["job_status"], final["trans_exit_code"]) == ("failed", 3)
    assert set(json.loads(final["job_output_report"])) == {"job.log.tgz"}
    assert log_member(stage, "payload.stderr") == "no beam\n"


def test_a_payload_that_takes_too_much_memory_is_reported_with_the_numbers(stage):
    if limits.describe()[0].why:
        pytest.skip("not tested: no cgroup limits memory here")
    eater = "food = []\nfor _ in range(500): food.append(bytearray(b'x' * 2**20))\n"
    stage.dispatcher.jobs = [job(sys.executable, "-I", "-S", "-c", eater, memory=32 * 2**20)]
    assert stage.run()[0] != 0
    final = stage.final()
    assert (final["pilot_error_code"], final["trans_exit_code"]) == (ErrorCode.PAYLOAD_EXCEEDED_MEMORY, 137)
    assert "when it had 64 MB of the 64 MB that it may have" in final["pilot_error_diag"]


def test_a_script_among_the_inputs_runs_with_the_programs_that_the_job_brings(stage):
    (stage.storage / "run.sh").write_text("#!/bin/sh\ncat order; echo payload >> order\n")
    programs = {
        name: Program("/bin/sh", ("-c", f"echo {name} >> order; cat order")) for name in ("preprocess", "postprocess")
    }
    stage.dispatcher.jobs = [job("./run.sh", inputs=["run.sh"], outputs=["order"], **programs)]
    assert stage.run()[0] == 0
    assert (stage.storage / "order").read_text() == "preprocess\npayload\npostprocess\n"
    assert log_member(stage, "payload.stdout") == log_member(stage, "preprocess.stdout") == "preprocess\n"


def test_a_token_is_in_no_log(stage):
    stage.dispatcher.jobs = [shell("env; false")]
    status, said = stage.run("-d")
    logs = said + "".join(path.read_text() for path in stage.base.rglob("pilotlog.txt"))
    assert status == 90
    assert "job 7.1: running" in logs
    assert "tok-secret-1" not in logs + log_member(stage, "payload.stdout")
    assert stage.dispatcher.headers[0]["Authorization"] == "Bearer tok-secret-1"


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (job(inputs=["missing.txt"]), ErrorCode.NO_SUCH_FILE),
        (job(outputs=["never.txt"]), ErrorCode.OUTPUT_MISSING),
        (job("/no/such/program"), ErrorCode.PAYLOAD_NOT_STARTED),
    ],
)
def test_what_cannot_be_is_reported_with_its_code_and_a_log(stage, made, code):
    stage.dispatcher.jobs = [made]
    assert stage.run()[0] in (90, 67, 77)
    assert stage.final()["pilot_error_code"] in (code, ErrorCode.MISSING_INPUT)
    assert (stage.storage / "job.log.tgz").exists()


def test_a_wrong_definition_is_reported_with_the_field_that_is_wrong(stage):
    stage.dispatcher.raw_jobs = [{"PandaID": 7, "attemptNr": 1, "transformation": "true", "coreCount": "many"}]
    assert stage.run()[0] == 90
    final = stage.final()
    assert final["pilot_error_code"] == ErrorCode.BAD_JOB_DEFINITION
    assert "coreCount: 'many'" in final["pilot_error_diag"]


def test_several_jobs_follow_each_other_until_there_are_no_more(stage):
    stage.dispatcher.jobs = [job(id=n, log=None) for n in (7, 8, 9)]
    assert stage.run(job__time_floor=600)[0] == 0
    assert [update["job_id"] for update in stage.dispatcher.finals()] == [7, 8, 9]


def test_several_jobs_run_at_once(stage):
    stage.dispatcher.jobs = [shell("echo > $REACHED; exec sleep 60", id=n, log=None) for n in (7, 8)]
    pilot = stage.start(job__at_once=2, payload__environment="[REACHED]")
    stage.dispatcher.wait_for(lambda: [u["job_status"] for u in stage.dispatcher.updates].count("running") == 2)
    stage.reached()
    pilot.send_signal(signal.SIGTERM)
    assert pilot.wait(30) == 128 + signal.SIGTERM
    assert sorted(update["job_id"] for update in stage.dispatcher.finals()) == [7, 8]


def test_peer_defect_5_a_command_to_kill_ends_the_job_and_its_log_is_stored_and_reported(stage):
    stage.dispatcher.jobs = [shell("exec sleep 60")]
    stage.dispatcher.commands[7] = "tobekilled"
    status, _ = stage.run(monitor__heartbeat=0.2)
    assert (status, stage.final()["pilot_error_code"]) == (91, ErrorCode.KILLED_BY_SERVER)
    assert set(json.loads(stage.final()["job_output_report"])) == {"job.log.tgz"}


def test_a_payload_that_runs_too_long_is_ended(stage):
    stage.dispatcher.jobs = [shell("exec sleep 60", max_walltime=1)]
    assert stage.run()[0] == 81
    assert stage.final()["pilot_error_code"] == ErrorCode.REACHED_MAX_TIME


def test_a_pilot_at_the_end_of_its_life_ends_its_jobs(stage):
    stage.dispatcher.jobs = [shell("exec sleep 60")]
    assert stage.run(job__lifetime=31, job__reserve=30)[0] == 81
    assert stage.final()["pilot_error_code"] == ErrorCode.REACHED_MAX_TIME


def test_without_work_the_pilot_says_so_and_leaves(stage):
    status, said = stage.run()
    assert status == 82
    assert "NO_JOBS (1385)" in said
    assert stage.dispatcher.counts[ACQUIRE] == 2


@pytest.mark.parametrize(
    ("queue", "status"), [({"status": "offline"}, 83), ({"state": "INACTIVE"}, 78), ({"corecount": "many"}, 71)]
)
def test_a_queue_that_takes_no_pilots_is_named(stage, queue, status):
    stage.dispatcher.queue = queue_data(**queue)
    assert stage.run()[0] == status


def test_a_queue_that_nobody_knows_is_named(stage):
    status, said = stage.run("-q", "ATLANTIS")
    assert status == 71
    assert "ATLANTIS" in said


@pytest.mark.parametrize(("answer", "words"), [((500, b"oops"), "HTTP 500"), ((200, b"<html>"), "not JSON")])
def test_a_server_that_is_unwell_is_asked_again_and_then_left(stage, answer, words):
    stage.dispatcher.misbehave = lambda path, count: answer if path == ACQUIRE else None
    status, said = stage.run()
    assert status == 79
    assert words in said
    assert stage.dispatcher.counts[ACQUIRE] == 5


def test_a_server_that_is_down_is_told(stage):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    status, said = stage.run("--url", f"http://127.0.0.1:{port}")
    assert status == 79
    assert "COMMUNICATION_FAILURE (1318)" in said
    assert "refused" in said


def test_a_final_report_is_repeated_word_by_word_until_it_is_taken(stage):
    stage.dispatcher.jobs = [job()]
    sick, told, answer = [(500, b""), (200, b"garbage"), (503, b"")], [], stage.dispatcher.answer

    def listen(path, body, headers):
        if path == UPDATE and json.loads(body)["job_status"] == "finished":
            told.append(body)
            if sick:
                return sick.pop(0)
        return answer(path, body, headers)

    stage.dispatcher.answer = listen
    assert stage.run()[0] == 0
    assert (len(told), len(set(told))) == (4, 1)
    assert len(stage.dispatcher.finals()) == 1


def test_peer_defect_18_a_final_report_that_is_never_taken_is_left_to_the_next_pilot(stage):
    stage.dispatcher.jobs = [job()]
    stage.dispatcher.misbehave = lambda path, count: (500, b"") if path == UPDATE else None
    status, said = stage.run(server__report_for=0.3)
    assert status == 79
    assert "HTTP 500" in said
    stage.dispatcher.misbehave = lambda path, count: None
    assert stage.run()[0] == 82
    assert stage.final()["job_status"] == "finished"


def test_a_final_report_that_is_refused_is_told(stage):
    stage.dispatcher.jobs = [job()]
    stage.dispatcher.misbehave = lambda path, count: (400, b"bad field") if path == UPDATE and count == 2 else None
    status, said = stage.run()
    assert status == 92
    assert "bad field" in said


HOLDS = {
    "stage-in": job(inputs=["hold-in.txt"]),
    "running": shell("echo > $REACHED; exec sleep 60"),
    "stage-out": shell("echo > hold-out.txt", outputs=["hold-out.txt"]),
    "log": job(log="hold-log.tgz"),
}


def hold(stage, phase):
    (stage.storage / "hold-in.txt").write_text("hello")
    stage.dispatcher.jobs = [HOLDS[phase]]
    pilot = stage.start(payload__environment="[REACHED]")
    stage.reached()
    return pilot


@pytest.mark.parametrize("phase", HOLDS)
def test_a_signal_in_any_phase_is_reported_with_its_code_and_the_log_is_stored(stage, phase):
    pilot = hold(stage, phase)
    pilot.send_signal(signal.SIGTERM)
    assert pilot.wait(30) == 128 + signal.SIGTERM
    final = stage.final()
    assert final["job_status"] == "failed"
    if phase == "log":  # the job itself had ended well
        assert final["pilot_error_code"] == ErrorCode.LOG_CREATION_TIMEOUT
    else:
        assert final["pilot_error_code"] == ErrorCode.SIGTERM
        assert set(json.loads(final["job_output_report"])) == {"job.log.tgz"}


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, ErrorCode.SIGINT),
        (signal.SIGQUIT, ErrorCode.SIGQUIT),
        (signal.SIGXCPU, ErrorCode.SIGXCPU),
        (signal.SIGUSR1, ErrorCode.SIGUSR1),
        (signal.SIGHUP, ErrorCode.KILL_SIGNAL),
        (signal.SIGUSR2, ErrorCode.KILL_SIGNAL),
    ],
)
def test_each_signal_has_its_code(stage, number, code):
    pilot = hold(stage, "running")
    pilot.send_signal(number)
    assert pilot.wait(30) == 128 + number
    assert stage.final()["pilot_error_code"] == code


@pytest.mark.parametrize(
    ("taken_back", "number", "code"),
    [
        ("[SIGUSR2]", signal.SIGUSR2, ErrorCode.PREEMPTION),
        ("[SIGTERM]", signal.SIGTERM, ErrorCode.PREEMPTION),
        ("[SIGUSR2]", signal.SIGTERM, ErrorCode.SIGTERM),
    ],
)
def test_peer_defect_11_a_slot_that_is_taken_back_has_its_own_code_and_the_log_is_stored(
    stage, taken_back, number, code
):
    stage.dispatcher.jobs = [HOLDS["running"]]
    pilot = stage.start(payload__environment="[REACHED]", stop__preemption=taken_back)
    stage.reached()
    pilot.send_signal(number)
    assert pilot.wait(30) == 128 + number
    final = stage.final()
    assert final["pilot_error_code"] == code
    assert set(json.loads(final["job_output_report"])) == {"job.log.tgz"}


def test_a_payload_that_ignores_the_signal_is_ended_within_the_time_stated_and_its_log_is_stored(stage):
    stage.dispatcher.jobs = [shell("trap '' TERM; echo > $REACHED; while :; do sleep 1; done")]
    pilot = stage.start(payload__environment="[REACHED]", stop__within=3, payload__grace=300)
    stage.reached()
    began = time.monotonic()
    pilot.send_signal(signal.SIGXCPU)
    assert pilot.wait(60) == 128 + signal.SIGXCPU
    assert time.monotonic() - began < 30
    final = stage.final()
    assert final["pilot_error_code"] == ErrorCode.SIGXCPU
    assert set(json.loads(final["job_output_report"])) == {"job.log.tgz"}


def test_a_signal_while_the_report_is_not_taken_ends_the_pilot_in_its_time(stage):
    stage.dispatcher.jobs = [job()]
    stage.dispatcher.misbehave = lambda path, count: (500, b"") if path == UPDATE else None
    pilot = stage.start(stop__within=1)
    stage.dispatcher.wait_for(lambda: stage.dispatcher.counts.get(UPDATE, 0) > 3)
    pilot.send_signal(signal.SIGTERM)
    assert pilot.wait(15) == 128 + signal.SIGTERM
    stage.dispatcher.misbehave = lambda path, count: None
    assert stage.run()[0] == 82
    assert stage.final()["job_status"] == "finished"


def test_a_second_signal_shortens_the_end(stage):
    stage.dispatcher.jobs = [shell("trap '' TERM; echo > $REACHED; while :; do sleep 1; done")]
    pilot = stage.start(payload__environment="[REACHED]", stop__within=600, stop__within_again=1, payload__grace=300)
    stage.reached()
    # Two of the same kind might arrive as one.
    pilot.send_signal(signal.SIGTERM)
    pilot.send_signal(signal.SIGQUIT)
    began = time.monotonic()
    assert pilot.wait(60) in (128 + signal.SIGTERM, 128 + signal.SIGQUIT)
    assert time.monotonic() - began < 30  # what hangs is not waited for any longer
    assert stage.final()["pilot_error_code"] in (ErrorCode.SIGTERM, ErrorCode.SIGQUIT)


def test_a_signal_while_waiting_for_work_ends_the_pilot_at_once(stage):
    pilot = stage.start(job__ask_wait=600)
    stage.dispatcher.wait_for(lambda: stage.dispatcher.counts.get(ACQUIRE) == 1)
    pilot.send_signal(signal.SIGTERM)
    assert pilot.wait(10) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("phase", "state", "stored"),
    [
        ("stage-in", "failed", {"job.log.tgz"}),
        ("running", "failed", {"job.log.tgz"}),
        ("stage-out", "finished", {"hold-out.txt", "job.log.tgz"}),
        ("log", "finished", {"hold-log.tgz"}),
    ],
)
def test_the_job_of_a_pilot_that_dies_in_any_phase_is_brought_to_its_end_by_the_next_one(stage, phase, state, stored):
    pilot = hold(stage, phase)
    pilot.kill()
    pilot.wait(10)
    assert stage.run(plugins__also="[]")[0] == 82
    final = stage.final()
    assert (final["job_id"], final["job_status"]) == (7, state)
    assert final.get("pilot_error_code") == (ErrorCode.PILOT_LOST if state == "failed" else 0)
    assert set(json.loads(final["job_output_report"])) == stored
    assert {path.name for path in stage.storage.iterdir()} - {"hold-in.txt"} == stored
    assert not list(stage.base.glob("*/PanDA_Pilot-*"))
    assert stage.run()[0] == 82
    assert len(stage.dispatcher.finals()) == 1


def test_a_pilot_that_dies_while_its_report_is_not_taken_loses_nothing(stage):
    stage.dispatcher.jobs = [job()]
    stage.dispatcher.misbehave = lambda path, count: (500, b"") if path == UPDATE else None
    pilot = stage.start()
    stage.dispatcher.wait_for(lambda: stage.dispatcher.counts.get(UPDATE, 0) > 3)
    pilot.kill()
    pilot.wait(10)
    stage.dispatcher.misbehave = lambda path, count: None
    assert stage.run()[0] == 82
    assert stage.final()["job_status"] == "finished"


def test_a_pilot_that_dies_before_its_request_is_answered_loses_no_job(stage):
    stage.dispatcher.jobs, stage.dispatcher.announces = [job()], True
    answer = stage.dispatcher._acquire

    def lose(asked, request_id):
        answer(asked, request_id)
        raise ConnectionAbortedError

    stage.dispatcher._acquire = lose
    pilot = stage.start(job__ask_wait=600)
    stage.dispatcher.wait_for(lambda: stage.dispatcher.counts.get(ACQUIRE) == 2)
    pilot.kill()
    pilot.wait(10)
    stage.dispatcher._acquire = answer
    assert stage.run()[0] == 0
    assert stage.final()["job_status"] == "finished"
    assert len(stage.dispatcher.given) == 1


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--quue", "x"], 2, "did you mean --queue?"),
        (["--config", "missing.yaml"], 93, "missing.yaml: there is no such file"),
        (["--pilotuser", "atlantis"], 93, "there is no plugin 'atlantis'"),
        (["--cacert", "missing.pem"], 93, "server.certificate: missing.pem does not exist"),
        (["--url", "ftp://x"], 93, "server.url"),
        (["-q", ""], 93, "queue.name is not set; give -q"),
        (["-l", "0"], 93, "command line: job.lifetime is 0.0; the least allowed is 1 s"),
    ],
)
def test_a_slip_of_the_admin_is_told_in_one_line_and_nothing_is_asked_for(stage, options, status, words):
    found, said = stage.run(*options)
    assert found == status
    assert words in said
    assert said.count("\n") == 1
    assert ACQUIRE not in stage.dispatcher.counts


def test_an_option_of_old_is_explained(stage):
    _, said = stage.run("-s", "SITE", "-r", "RESOURCE")
    assert "pilot: -s has no effect: the queue (-q) says it\n" in said


def test_an_idle_pilot_uses_no_processor_time(stage):
    stage.dispatcher.jobs = [shell("echo > $REACHED; exec sleep 60")]
    pilot = stage.start(payload__environment="[REACHED]")
    stage.reached()

    def used():
        user, system = (
            int(word) for word in Path(f"/proc/{pilot.pid}/stat").read_text().rsplit(")")[-1].split()[11:13]
        )
        return user + system

    before = used()
    with pytest.raises(subprocess.TimeoutExpired):
        pilot.wait(1.5)
    assert used() - before <= 2  # hundredths of a second


def test_an_answer_that_was_lost_on_its_way_costs_no_job(stage):
    stage.dispatcher.jobs = [job()]
    answer, lost = stage.dispatcher._acquire, []

    def lose_the_first(asked, request_id):
        found = answer(asked, request_id)
        if len(lost) < 3:  # a kept connection is tried once more at once
            lost.append(request_id)
            raise ConnectionAbortedError
        return found

    stage.dispatcher._acquire = lose_the_first
    assert stage.run()[0] == 0
    assert stage.final()["job_status"] == "finished"


def test_the_pilot_is_gone_as_soon_as_its_last_report_is_taken(stage):
    """Stock pilots sleep on in a thread that nobody can wake, a minute and more."""
    stage.dispatcher.jobs = [job()]
    pilot = stage.start()
    stage.dispatcher.wait_for(lambda: bool(stage.dispatcher.finals()))
    began = time.monotonic()
    assert pilot.wait(60) == 0
    assert time.monotonic() - began < 30
