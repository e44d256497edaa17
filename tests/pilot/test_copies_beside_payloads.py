"""A pilot that copies while a payload runs: the inputs of its next job, and the outputs that are finished."""

from __future__ import annotations

import json
import signal
from dataclasses import replace

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from tests.pilot.dispatcher import serving
from tests.pilot.test_end_to_end import Stage

pytestmark = pytest.mark.one_python

AHEAD = {"job__prefetch": 1, "job__time_floor": 60}
#: Waits, for at most ten seconds, until the other job's input is there.
WAITS = "n=0; while [ ! -e ../PanDA_Pilot-8-1/in.txt ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done;"


def job(number, script, *inputs):
    return JobSpec(
        id=number,
        attempt=1,
        transformation="/bin/sh",
        arguments=("-c", script),
        inputs=tuple(FileSpec(name, Role.INPUT, dataset="ds", size=5) for name in inputs),
        outputs=(FileSpec(f"{number}.txt", Role.OUTPUT, dataset="ds"),),
        log=FileSpec(f"{number}.log.tgz", Role.LOG, dataset="ds"),
    )


@pytest.fixture
def stage(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        made = Stage(tmp_path, dispatcher)
        (made.storage / "in.txt").write_text("hello")
        yield made
        made.close()


def test_the_inputs_of_the_next_job_come_while_the_payload_of_the_first_one_runs(stage):
    first = job(7, f"{WAITS} ls ../PanDA_Pilot-8-1/in.txt && echo first > 7.txt")
    stage.dispatcher.jobs = [first, job(8, "cat in.txt > 8.txt", "in.txt")]
    status, said = stage.run(**AHEAD)
    assert (status, said) == (0, "pilot: 2 jobs finished (exit status 0)\n")
    assert (stage.storage / "8.txt").read_text() == "hello"
    assert list(stage.base.iterdir()) == []


def test_without_the_setting_the_second_job_is_not_asked_for_before_the_first_has_ended(stage):
    stage.dispatcher.jobs = [
        job(7, "[ ! -e ../PanDA_Pilot-8-1 ] && echo > 7.txt"),
        job(8, "cat in.txt > 8.txt", "in.txt"),
    ]
    assert stage.run(job__time_floor=60)[0] == 0


def test_a_job_that_waits_with_its_inputs_is_given_back_when_the_pilot_has_to_end(stage):
    first = job(7, f"{WAITS} echo here > $REACHED; sleep 30")
    stage.dispatcher.jobs = [first, job(8, "cat in.txt > 8.txt", "in.txt")]
    stage.environment["COMPASS_PILOT__PAYLOAD__ENVIRONMENT"] = "[REACHED]"
    pilot = stage.start(**AHEAD)
    stage.reached()
    pilot.send_signal(signal.SIGTERM)
    pilot.communicate(timeout=60)
    finals = {final["job_id"]: final for final in stage.dispatcher.finals()}
    assert sorted(finals) == [7, 8]
    assert {final["pilot_error_code"] for final in finals.values()} == {int(ErrorCode.SIGTERM)}
    assert set(json.loads(finals[8]["job_output_report"])) == {"8.log.tgz"}
    assert list(stage.base.glob("*/PanDA_Pilot-*")) == []


def test_what_a_killed_pilot_had_brought_ahead_is_cleaned_up_and_its_job_is_told_as_lost(stage):
    first = job(7, f"{WAITS} echo here > $REACHED; sleep 30")
    stage.dispatcher.jobs = [first, job(8, "cat in.txt > 8.txt", "in.txt")]
    stage.environment["COMPASS_PILOT__PAYLOAD__ENVIRONMENT"] = "[REACHED]"
    pilot = stage.start(**AHEAD)
    stage.reached()
    pilot.kill()
    pilot.communicate(timeout=60)
    stage.run()
    finals = {final["job_id"]: final["pilot_error_code"] for final in stage.dispatcher.finals()}
    assert finals == {7: int(ErrorCode.PILOT_LOST), 8: int(ErrorCode.PILOT_LOST)}
    assert list(stage.base.glob("*/PanDA_Pilot-*")) == []


STORED = "n=0; while [ ! -e {0} ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done; [ -e {0} ]"


def test_an_output_is_stored_as_soon_as_the_payload_names_it(stage):
    script = f"echo one > 7.txt; echo 7.txt > finished_outputs.txt; {STORED.format(stage.storage / '7.txt')}"
    stage.dispatcher.jobs = [job(7, script)]
    assert stage.run(copy__early=True)[0] == 0
    assert set(json.loads(stage.final()["job_output_report"])) == {"7.txt", "7.log.tgz"}
    assert list(stage.base.iterdir()) == []


def test_a_pilot_that_is_killed_while_it_stores_early_leaves_nothing(stage):
    first = job(7, "echo one > hold-7.txt; echo hold-7.txt > finished_outputs.txt; sleep 30")
    stage.dispatcher.jobs = [replace(first, outputs=(FileSpec("hold-7.txt", Role.OUTPUT, dataset="ds"),))]
    pilot = stage.start(copy__early=True)
    stage.reached()
    (stage.storage / "hold-7.txt.7-1.part").write_text("half")
    pilot.kill()
    pilot.communicate(timeout=60)
    assert list(stage.base.glob("*/.early-*"))
    stage.run(plugins__also="[]", copy__early=True)
    assert stage.final()["pilot_error_code"] == int(ErrorCode.PILOT_LOST)
    assert list(stage.base.glob("*/.early-*")) == list(stage.base.glob("*/PanDA_Pilot-*")) == []
    assert {path.name for path in stage.storage.iterdir()} == {"in.txt", "7.log.tgz"}
