"""The whole pilot with searches for parameters: what it stores and reports, and kills."""

from __future__ import annotations

import json

from pilot.contract.codes import ErrorCode
from pilot.contract.job import Program
from tests.pilot.test_end_to_end import Stage, log_member, shell
from tests.pilot.test_end_to_end import stage as stage  # noqa: PLC0414  # a fixture

NEXT = "test $PILOT_EXEC_ITERATION_COUNT -lt 3 || exit 160; echo point $PILOT_EXEC_ITERATION_COUNT > point"


def searching(script, **more):
    return shell(script, iterative=True, preprocess=Program("/bin/sh", ("-c", NEXT)), **more)


def test_a_search_stores_what_each_iteration_has_written_and_tells_how_many_there_were(stage: Stage):
    script = "cp point loss.txt_$PILOT_EXEC_ITERATION_COUNT; echo said $PILOT_EXEC_ITERATION_COUNT"
    stage.dispatcher.jobs = [searching(script, outputs=["loss.txt", "best.txt"])]
    status, said = stage.run()
    assert (status, said) == (0, "pilot: 1 job finished (exit status 0)\n")
    assert [(stage.storage / f"loss.txt_{number}").read_text() for number in range(3)] == [
        "point 0\n",
        "point 1\n",
        "point 2\n",
    ]
    final = stage.final()
    assert set(json.loads(final["job_output_report"])) == {"loss.txt_0", "loss.txt_1", "loss.txt_2", "job.log.tgz"}
    assert "hpoIterations=3" in final["job_metrics"]
    assert (final["job_status"], final["trans_exit_code"]) == ("finished", 0)
    assert log_member(stage, "iterations/1/payload.stdout") == "said 1\n"
    assert log_member(stage, "payload.stdout") == "said 2\n"
    assert "best.txt: no iteration has written it" in log_member(stage, "pilotlog.txt")


def test_a_search_without_a_point_to_try_is_finished_and_stores_its_log_only(stage: Stage):
    job = shell("exit 9", iterative=True, preprocess=Program("/bin/sh", ("-c", "exit 160")), outputs=["loss.txt"])
    stage.dispatcher.jobs = [job]
    assert stage.run()[0] == 0
    final = stage.final()
    assert set(json.loads(final["job_output_report"])) == {"job.log.tgz"}
    assert "hpoIterations=0" in final["job_metrics"]


def test_a_command_to_kill_ends_a_search_in_the_middle(stage: Stage):
    script = "test $PILOT_EXEC_ITERATION_COUNT = 0 || { echo > $REACHED; exec sleep 60; }"
    stage.dispatcher.jobs = [searching(script)]
    pilot = stage.start(payload__environment="[REACHED]", monitor__heartbeat=0.3)
    stage.reached()
    stage.dispatcher.commands[7] = "tobekilled"
    assert pilot.wait(30) == 91
    assert stage.final()["pilot_error_code"] == ErrorCode.KILLED_BY_SERVER
    assert log_member(stage, "iterations/0/payload.stdout") == ""
