"""The whole pilot as a process: what a server may command, what a pilot tells while a job goes on, and how it asks."""

from __future__ import annotations

import json
import threading
import time

import pytest

from pilot.contract.codes import ErrorCode
from tests.pilot.dispatcher import serving
from tests.pilot.test_end_to_end import Stage, job, log_member, shell

pytestmark = pytest.mark.one_python

#: Runs until the file "go" lies in its directory, or it is told to end; then it says so.
WAITING = "trap 'echo ended; exit 0' TERM; echo begun; while [ ! -e go ]; do sleep 0.02; done; echo went"


@pytest.fixture(name="stage")
def make_stage(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        made = Stage(tmp_path, dispatcher)
        yield made
        made.close()


def running(stage):
    """Wait until a job says that it runs; answer its directory."""
    stage.dispatcher.wait_for(lambda: any(update["job_status"] == "running" for update in stage.dispatcher.updates))
    (place,) = stage.base.glob("*/PanDA_Pilot-7-1")
    return place


def begun(stage):
    """Wait until a payload says that it hears signals; answer its directory."""
    place, deadline = running(stage), time.monotonic() + 20
    stdout = place / "payload.stdout"
    while not (stdout.exists() and "begun" in stdout.read_text()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    return place


def said(stage, text):
    return [update for update in stage.dispatcher.updates if text in update.get("stdout", "")]


def test_a_soft_kill_lets_the_payload_end_in_its_own_way(stage):
    stage.dispatcher.jobs = [shell(f"{WAITING}")]
    pilot = stage.start(monitor__heartbeat=0.1)
    begun(stage)
    stage.dispatcher.commands[7] = "softkill"
    assert pilot.wait(30) == 91
    final = stage.final()
    assert (final["pilot_error_code"], final["trans_exit_code"]) == (ErrorCode.KILLED_BY_SERVER, 0)
    assert log_member(stage, "payload.stdout") == "begun\nended\n"


def test_a_payload_that_does_not_hear_a_soft_kill_is_killed_after_its_time(stage):
    stage.dispatcher.jobs = [shell("trap '' TERM; echo begun; while :; do sleep 0.02; done")]
    pilot = stage.start(monitor__heartbeat=0.1, payload__soft_grace=0.3)
    begun(stage)
    stage.dispatcher.commands[7] = "softkill"
    assert pilot.wait(30) == 91
    assert (stage.final()["pilot_error_code"], stage.final()["trans_exit_code"]) == (ErrorCode.KILLED_BY_SERVER, 137)


def test_debug_mode_brings_short_heartbeats_with_the_last_lines_until_it_is_switched_off(stage):
    stage.dispatcher.jobs = [shell(f"{WAITING}; sleep 0.8")]
    stage.dispatcher.commands[7] = "debug"
    pilot = stage.start(monitor__debug_heartbeat=0.1)
    stage.dispatcher.wait_for(lambda: len(said(stage, "begun")) > 2)
    place = running(stage)
    stage.dispatcher.commands[7] = "debugoff"
    deadline = time.monotonic() + 20
    while "debug mode is off" not in (place.parent / "pilotlog.txt").read_text():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    count = len(stage.dispatcher.updates)
    (place / "go").touch()
    assert pilot.wait(30) == 0
    assert len(stage.dispatcher.updates) - count <= 2, "the final report, and perhaps one that was on its way"


def test_a_debug_command_is_answered_at_once_from_the_jobs_own_directory_without_secrets(stage):
    stage.dispatcher.jobs = [shell(f"echo tok-secret-1; {WAITING}")]
    pilot = stage.start(monitor__heartbeat=0.5)
    place = running(stage)
    stage.dispatcher.commands[7] = "tail payload.stdout,ps,tail ../pilotlog.txt,tail /etc/passwd"
    stage.dispatcher.wait_for(lambda: len(said(stage, "not in the job's directory")) == 2)
    assert said(stage, "COMMAND"), "the answer to ps"
    assert said(stage, "********")
    (place / "go").touch()
    assert pilot.wait(30) == 0
    assert not said(stage, "tok-secret-1")
    assert not said(stage, "root:")
    answered = {headers.get("X-Compass-Shown") for headers in stage.dispatcher.headers}
    assert answered == {None, "tail payload.stdout", "ps", "tail ../pilotlog.txt", "tail /etc/passwd"}


def test_a_directory_that_the_server_wants_kept_is_there_after_the_pilot_and_after_the_next_one(stage):
    stage.dispatcher.jobs = [shell("echo kept > witness")]
    stage.dispatcher.commands[7] = "nocleanup"
    assert stage.run()[0] == 0
    (place,) = stage.base.glob("*/PanDA_Pilot-7-1")
    assert stage.run()[0] == 82
    assert (place / "witness").read_text() == "kept\n"


def test_a_long_stage_in_has_heartbeats_that_tell_how_far_it_is(stage):
    (stage.storage / "in.txt").write_text("hello")
    (stage.storage / "hold-me").write_text("x")
    stage.dispatcher.jobs = [job(inputs=["in.txt", "hold-me"])]
    pilot = stage.start(monitor__heartbeat=0.1)
    stage.reached()
    stage.dispatcher.wait_for(
        lambda: any(update.get("job_metrics") == "filesIn=1/2 bytesIn=5" for update in stage.dispatcher.updates)
    )
    last = stage.dispatcher.updates[-1]
    assert (last["job_status"], last["job_sub_status"]) == ("starting", "staging-in")
    stage.dispatcher.commands[7] = "tobekilled"
    assert pilot.wait(30) == 91


def test_a_long_stage_out_has_heartbeats_too_and_the_log_of_a_killed_job_is_named_in_its_final_report(stage):
    """Stock pilots store the log of a killed job after its last report, so that nobody learns of it."""
    stage.dispatcher.jobs = [shell("echo 123 > out.txt; echo 1 > hold-me", outputs=["out.txt", "hold-me"])]
    pilot = stage.start(monitor__heartbeat=0.1)
    stage.reached()
    stage.dispatcher.wait_for(
        lambda: any("filesOut=1/2 bytesOut=4" in update.get("job_metrics", "") for update in stage.dispatcher.updates)
    )
    assert stage.dispatcher.updates[-1]["job_sub_status"] == "staging-out"
    stage.dispatcher.commands[7] = "tobekilled"
    assert pilot.wait(30) == 91
    assert set(json.loads(stage.final()["job_output_report"])) == {"job.log.tgz"}


def test_a_failed_job_is_reported_with_its_payloads_words_and_costs_its_pilot_no_waiting(stage):
    """Stock pilots report their own debug lines instead, and leave two minutes later."""
    stage.dispatcher.jobs = [shell("echo event 7; echo the disk is on fire >&2; exit 3")]
    pilot = stage.start()
    stage.dispatcher.wait_for(lambda: bool(stage.dispatcher.finals()))
    began = time.monotonic()
    assert pilot.wait(60) == 90, "and no 0 for a job that failed"
    assert time.monotonic() - began < 30
    assert stage.final()["pilot_log"] == "the disk is on fire"


def test_a_leased_slot_is_given_back_in_time_and_the_job_says_why(stage):
    stage.dispatcher.jobs = [shell("exec sleep 60")]
    status, words = stage.run("-L", "31", job__reserve=30)
    assert status == 81
    assert "LEASE_TIME (1375)" in words
    assert stage.final()["pilot_error_code"] == ErrorCode.LEASE_TIME


def test_a_job_of_the_same_task_is_asked_for_first(stage):
    stage.dispatcher.jobs = [job(task_id=12)]
    stage.run(job__time_floor=1000)
    assert [asked.get("task_id") for asked in stage.dispatcher.asked] == [None, 12, None, None]


def test_jobs_of_several_cores_share_a_slot_and_nothing_but_the_slot(stage):
    """Stock pilots keep what they know in the environment and in their classes, so that they run one job at a time."""
    script = "echo $PANDAID $OMP_NUM_THREADS > out.txt; echo here > $REACHED; while [ ! -e go ]; do sleep 0.02; done"
    stage.dispatcher.jobs = [
        job(
            "/bin/sh",
            "-c",
            script.replace("out.txt", f"out-{number}.txt"),
            id=number,
            cores=cores,
            log=f"{number}.log.tgz",
            outputs=[f"out-{number}.txt"],
        )
        for number, cores in ((7, 3), (8, 1), (9, 4))
    ]
    pilot = stage.start(job__at_once=3, job__cores=4, payload__environment="[REACHED]")
    stage.dispatcher.wait_for(
        lambda: sum(update["job_status"] == "running" for update in stage.dispatcher.updates) == 2
    )
    assert [asked["cores"] for asked in stage.dispatcher.asked] == ["4", "1"]
    for number in (7, 8):
        (place,) = stage.base.glob(f"*/PanDA_Pilot-{number}-1")
        (place / "go").touch()
    assert pilot.wait(30) == 0
    assert [update["job_status"] for update in stage.dispatcher.finals()] == ["finished"] * 2
    assert [(stage.storage / f"out-{number}.txt").read_text() for number in (7, 8)] == ["7 3\n", "8 1\n"]
