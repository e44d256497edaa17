"""The whole pilot in the workflow stager: inputs are lent until somebody is done, or the time is over."""

from __future__ import annotations

import glob
import json
import signal
import threading
import time
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from tests.pilot.test_end_to_end import Stage, job, log_member
from tests.pilot.test_end_to_end import stage as stage  # noqa: PLC0414  # a fixture

pytestmark = pytest.mark.one_python

LOOK = 0.05


@pytest.fixture
def lent(stage: Stage):
    """A job with an input and an output, whose program is on no node."""
    (stage.storage / "in.txt").write_text("hello")
    stage.dispatcher.jobs = [job("no-such-program", inputs=["in.txt"], outputs=["out.txt"], max_walltime=1)]
    return stage


def note(stage: Stage) -> dict:
    """Wait until the job is lent; answer the note."""
    end = time.monotonic() + 20
    while not (found := glob.glob(f"{stage.base}/*/PanDA_Pilot-*/lent.json")):  # noqa: PTH207  # folders come and go
        assert time.monotonic() < end, "nothing was lent"
        threading.Event().wait(0.02)
    return json.loads(Path(found[0]).read_text())


def use(said: dict) -> None:
    """Do what a user does with what is lent to him."""
    (source,) = said["inputs"]
    Path(said["outputs"][0]).write_text(Path(source).read_text() * 2)


def stored(stage: Stage) -> None:
    final = stage.final()
    assert (final["job_status"], final.get("pilot_error_code", 0)) == ("finished", 0)
    assert set(json.loads(final["job_output_report"])) == {"out.txt", "job.log.tgz"}
    assert (stage.storage / "out.txt").read_text() == "hellohello"


def test_what_a_user_has_made_is_stored_when_he_says_that_he_is_done(lent: Stage):
    pilot = lent.start("-w", "stager", stager__look=LOOK)
    said = note(lent)
    assert Path(said["folder"]).name == "PanDA_Pilot-7-1"
    use(said)
    Path(said["done"]).touch()
    assert pilot.wait(30) == 0
    stored(lent)
    assert "leaseEnd=done" in lent.final()["job_metrics"]


def test_the_end_of_the_lease_ends_the_job_well(lent: Stage):
    began = time.time()
    pilot = lent.start("--workflow=stager", "--leasetime", "4", stager__look=LOOK, job__reserve=1.5)
    said = note(lent)
    assert began < said["until"] < time.time() + 4
    use(said)
    assert pilot.wait(30) == 0
    stored(lent)
    assert "leaseEnd=over" in lent.final()["job_metrics"]


@pytest.mark.parametrize("command", ["tobekilled", "softkill"])
def test_a_command_to_kill_a_lent_job_finishes_it(lent: Stage, command):
    pilot = lent.start("-w", "stager", stager__look=LOOK, monitor__heartbeat=0.2)
    use(note(lent))
    lent.dispatcher.commands[7] = command
    assert pilot.wait(30) == 0
    stored(lent)


def test_a_pod_that_is_ended_stores_what_there_is(lent: Stage):
    pilot = lent.start("-w", "stager", "--pod", stager__look=LOOK)
    use(note(lent))
    pilot.send_signal(signal.SIGTERM)
    assert pilot.wait(30) != 0  # the pilot itself was ended
    stored(lent)


def test_the_user_may_be_a_program_that_the_pilot_starts(lent: Stage):
    words = "[/bin/sh, -c, 'cat in.txt in.txt > out.txt; echo worked']"
    assert lent.run("-w", "stager", stager__command=words)[0] == 0
    stored(lent)
    assert log_member(lent, "payload.stdout") == "worked\n"


def test_a_program_that_is_the_user_is_ended_with_the_lease(lent: Stage):
    words = "[/bin/sh, -c, 'cat in.txt in.txt > out.txt; exec sleep 60']"
    assert lent.run("-w", "stager", "-L", "4", stager__command=words, job__reserve=2)[0] == 0
    stored(lent)


def test_a_program_that_fails_fails_the_job(lent: Stage):
    assert lent.run("-w", "stager", stager__command="[/bin/sh, -c, 'exit 3']")[0] == 90
    assert lent.final()["pilot_error_code"] == ErrorCode.PAYLOAD_FAILED


def test_an_output_that_nobody_has_made_is_missing_as_with_any_job(lent: Stage):
    pilot = lent.start("-w", "stager", stager__look=LOOK)
    Path(note(lent)["done"]).touch()
    assert pilot.wait(30) not in (0, 1)
    assert lent.final()["pilot_error_code"] == ErrorCode.OUTPUT_MISSING


def test_a_search_or_what_goes_with_a_payload_is_not_run_for_a_user(stage: Stage):
    from pilot.contract.job import Program

    ran = f"touch {stage.folder}/ran"
    programs = dict.fromkeys(("preprocess", "postprocess", "coprocess"), Program("/bin/sh", ("-c", ran)))
    stage.dispatcher.jobs = [job("no-such-program", iterative=True, **programs)]
    pilot = stage.start("-w", "stager", stager__look=LOOK)
    Path(note(stage)["done"]).touch()
    assert pilot.wait(30) == 0
    assert not (stage.folder / "ran").exists()
