"""Whole pilots that gather: many jobs of a real dispatcher in allocations of this machine, and deaths in between."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role
from pilot.hpc.worklist import WorkList
from tests.pilot.dispatcher import queue_data
from tests.pilot.hpc.conftest import job

pytestmark = pytest.mark.one_python


def metrics_of(update):
    return dict(pair.split("=", 1) for pair in update["job_metrics"].split())


def test_forty_jobs_end_once_each_by_three_allocations_of_one_pilot(stage):
    stage.dispatcher.jobs = [job(number, f"exit {number % 4}") for number in range(1, 41)]
    status, said = stage.run()
    ended = stage.dispatcher.finals()
    assert sorted(update["job_id"] for update in ended) == list(range(1, 41)), said
    assert {update["job_id"]: update["trans_exit_code"] for update in ended} == {
        number: number % 4 for number in range(1, 41)
    }
    assert sum(update["job_status"] == "finished" for update in ended) == 10
    assert {metrics_of(update)["hpcStatus"] for update in ended} == {"ended"}
    assert {metrics_of(update)["hpcNode"] for update in ended} == {os.uname().nodename}
    assert status != 0
    assert stage.dispatcher.asked[0]["n_jobs"] == 512


def test_no_job_is_gathered_where_the_settings_say_never(stage):
    stage.dispatcher.queue = queue_data(catchall="HPC_HPC")
    stage.dispatcher.jobs = [job(1)]
    status, said = stage.run(mode="never")
    assert status == 0, said
    assert "hpcStatus" not in stage.finals()[1]["job_metrics"]


def test_jobs_of_a_queue_whose_catchall_says_so_are_gathered(stage):
    stage.dispatcher.queue = queue_data(catchall="nopenfiles=9,HPC_HPC", params={"hpc": {"jobs": 3}})
    stage.dispatcher.jobs = [job(number) for number in range(1, 4)]
    status, said = stage.run(mode="auto")
    assert status == 0, said
    assert stage.dispatcher.asked[0]["n_jobs"] == 3
    assert {metrics_of(update)["hpcStatus"] for update in stage.dispatcher.finals()} == {"ended"}


def test_outputs_of_gathered_jobs_are_stored(stage):
    output = FileSpec("made.txt", Role.OUTPUT, dataset="ds", endpoint="STORE")
    stage.dispatcher.jobs = [job(1, "echo made > made.txt", outputs=(output,))]
    status, said = stage.run()
    assert status == 0, said
    assert (stage.folder / "storage" / "ds" / "made.txt").read_text() == "made\n"
    assert stage.finals()[1]["core_count"] == 2  # of 32 for 16 ranks


def test_what_a_queue_says_wrongly_of_allocations_is_told_to_its_jobs(stage):
    stage.dispatcher.queue = queue_data(params={"hpc": {"launcher_options": ["--x"]}})
    stage.dispatcher.jobs = [job(1)]
    stage.run()
    assert stage.finals()[1]["pilot_error_code"] == ErrorCode.BAD_QUEUE_CONFIGURATION
    assert "launcher_options is not for a queue to say" in stage.finals()[1]["pilot_error_diag"]


def test_a_launcher_that_is_not_there_fails_its_jobs(stage):
    stage.dispatcher.jobs = [job(1), job(2)]
    stage.run(launcher="aprun")
    codes = [update["pilot_error_code"] for update in stage.dispatcher.finals()]
    assert codes == [ErrorCode.PAYLOAD_NOT_STARTED] * 2
    assert "aprun" in stage.finals()[1]["pilot_error_diag"]


def test_the_server_ends_one_job_of_an_allocation_and_the_others_go_on(stage):
    says, wait = stage.reaching(2)
    stage.dispatcher.jobs = [
        job(1, f"{says}; exec sleep 600"),
        job(2, f"{says}; while [ ! -e go ]; do sleep 0.1; done"),
    ]
    stage.environment["COMPASS_PILOT__MONITOR__HEARTBEAT"] = "0.3"
    process = stage.start()
    wait()
    stage.dispatcher.commands[1] = "tobekilled"
    stage.dispatcher.wait_for(lambda: 1 in stage.finals())
    assert stage.finals()[1]["pilot_error_code"] == ErrorCode.KILLED_BY_SERVER
    assert 2 not in stage.finals()
    place = stage.place(2)
    (place / "go").touch()
    process.communicate(timeout=30)
    assert stage.finals()[2]["job_status"] == "finished"


def test_a_signal_ends_a_pilot_with_all_its_jobs_in_time(stage):
    says, wait = stage.reaching(16)
    stage.dispatcher.jobs = [job(number, f"{says}; exec sleep 600") for number in range(1, 21)]
    process = stage.start()
    wait()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert sorted(stage.finals()) == list(range(1, 21))  # four of them wait for an allocation of their own
    assert {update["pilot_error_code"] for update in stage.dispatcher.finals()} == {ErrorCode.SIGTERM}


def test_a_payload_that_takes_too_long_is_ended_by_its_rank(stage):
    stage.dispatcher.jobs = [job(1, "exec sleep 600", max_walltime=1), job(2)]
    stage.run()
    assert stage.finals()[1]["pilot_error_code"] == ErrorCode.REACHED_MAX_TIME
    assert stage.finals()[2]["job_status"] == "finished"


def rank_of(base, number):
    """Answer the process that is a job's rank."""
    path = next(base.glob("compass-pilot-*/allocation-*/worklist"))
    works = WorkList(path)
    rank = next(line for line in range(works.head.lines) if works.line(line).job == number)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                last = (entry / "cmdline").read_bytes().split(b"\0")[-2:-1]
                told = (entry / "environ").read_bytes().split(b"\0")
                if last == [os.fsencode(path)] and f"COMPASS_RANK={rank}".encode() in told:
                    return int(entry.name)
    raise LookupError(number)


def test_a_rank_that_is_killed_fails_its_own_job_only(stage):
    says, wait = stage.reaching(2)
    stage.dispatcher.jobs = [
        job(1, f"{says}; exec sleep 600"),
        job(2, f"{says}; while [ ! -e go ]; do sleep 0.1; done"),
    ]
    process = stage.start()
    wait()
    os.kill(rank_of(stage.base, 1), signal.SIGKILL)
    place = stage.place(2)
    (place / "go").touch()
    process.communicate(timeout=30)
    assert stage.finals()[1]["pilot_error_code"] == ErrorCode.RANK_LOST
    assert stage.finals()[2]["job_status"] == "finished"


def test_the_next_pilot_finishes_jobs_from_the_reports_that_their_ranks_have_left(stage):
    says, wait = stage.reaching()
    output = FileSpec("made.txt", Role.OUTPUT, dataset="ds", endpoint="STORE")
    # The first has ended before its pilot dies, the second runs then.
    stage.dispatcher.jobs = [
        job(1, "echo made > made.txt", outputs=(output,)),
        job(2, f"while ! ls ../allocation-*/reports/?.json; do sleep 0.1; done; {says}; exec sleep 600"),
    ]
    process = stage.start(look=60)
    wait()
    process.kill()
    process.communicate()
    stage.run(mode="never")
    ended = stage.dispatcher.finals()
    assert sorted(update["job_id"] for update in ended) == [1, 2]
    assert stage.finals()[1]["job_status"] == "finished"
    assert (stage.folder / "storage" / "ds" / "made.txt").read_text() == "made\n"
    assert stage.finals()[2]["pilot_error_code"] == ErrorCode.PILOT_LOST


def test_jobs_that_were_gathered_when_their_pilot_died_are_reported_lost_once(stage):
    stage.dispatcher.jobs = [job(number) for number in range(1, 4)]
    process = stage.start(quiet=600)
    stage.dispatcher.wait_for(
        lambda: {u["job_id"] for u in stage.dispatcher.updates if u["job_status"] == "running"} == {1, 2, 3}
    )
    process.kill()
    process.communicate()
    stage.run()
    assert sorted(update["job_id"] for update in stage.dispatcher.finals()) == [1, 2, 3]
    assert {update["pilot_error_code"] for update in stage.dispatcher.finals()} == {ErrorCode.PILOT_LOST}
