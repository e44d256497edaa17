"""Allocations of a batch system: followed, cancelled, found again after the pilot has died; each submitted once."""

from __future__ import annotations

import os
import signal

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role
from tests.pilot.dispatcher import queue_data
from tests.pilot.hpc.conftest import job

pytestmark = pytest.mark.one_python

UNTIL_TOLD = "while [ ! -e go ]; do sleep 0.1; done"


@pytest.fixture
def cluster(stage):
    stage.with_sessions()
    yield stage
    for number in (path.read_text() for path in stage.registry.glob("compass-*")):
        try:
            os.killpg(int(number), signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_jobs_of_a_submitted_allocation_end_and_tell_its_number(cluster):
    cluster.dispatcher.jobs = [job(number) for number in range(1, 5)]
    status, said = cluster.run()
    assert status == 0, said
    (name,) = cluster.noted("submitted")
    number = (cluster.registry / name).read_text()
    assert len(cluster.dispatcher.finals()) == 4
    assert all(f"HPCJobId={number}" in update["job_metrics"] for update in cluster.dispatcher.finals())


def test_reports_tell_how_the_allocation_is_while_it_waits(cluster):
    cluster.environment["FATE"] = "queued"
    cluster.dispatcher.jobs = [job(1)]
    cluster.start()
    cluster.dispatcher.wait_for(
        lambda: any(
            "hpcStatus=queued HPCJobId=4711" in (u.get("job_metrics") or "") for u in cluster.dispatcher.updates
        )
    )


@pytest.mark.parametrize(
    ("fate", "code"),
    [
        ("rejected", ErrorCode.ALLOCATION_REJECTED),
        ("held", ErrorCode.ALLOCATION_HELD),
        ("rescheduled", ErrorCode.ALLOCATION_RESCHEDULED),
        ("timed out", ErrorCode.ALLOCATION_TIMED_OUT),
        ("cancelled", ErrorCode.ALLOCATION_LOST),
        ("failed", ErrorCode.ALLOCATION_LOST),
        ("ended", ErrorCode.RANK_LOST),
    ],
)
def test_what_the_batch_system_does_with_an_allocation_is_told_by_a_code(cluster, fate, code):
    cluster.environment["FATE"] = fate
    cluster.dispatcher.jobs = [job(1), job(2)]
    cluster.run(held=0.1)
    assert [update["pilot_error_code"] for update in cluster.dispatcher.finals()] == [code, code]
    if fate in ("held", "rescheduled"):
        assert cluster.noted("cancelled") == ["4711"]


def test_a_batch_job_that_was_taken_without_an_answer_is_found_by_its_name(cluster):
    cluster.environment["FATE"] = "silent"
    cluster.dispatcher.jobs = [job(1)]
    status, said = cluster.run()
    assert status == 0, said
    assert len(cluster.noted("submitted")) == 1


def test_a_signal_cancels_the_batch_job(cluster):
    says, wait = cluster.reaching()
    cluster.dispatcher.jobs = [job(1, f"{says}; exec sleep 600")]
    process = cluster.start()
    wait()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert len(cluster.noted("cancelled")) == 1
    assert cluster.finals()[1]["pilot_error_code"] == ErrorCode.SIGTERM


def test_the_next_pilot_takes_the_place_of_one_that_died_while_its_ranks_run(cluster):
    says, wait = cluster.reaching(2)
    output = FileSpec("made.txt", Role.OUTPUT, dataset="ds", endpoint="STORE")
    script = f"{says}; {UNTIL_TOLD}; pwd > made.txt"
    cluster.dispatcher.jobs = [job(1, script, outputs=(output,)), job(2, f"{says}; {UNTIL_TOLD}; exit 3"), job(3)]
    process = cluster.start()
    wait()
    cluster.dispatcher.wait_for(lambda: 3 in cluster.finals())
    process.kill()
    process.communicate()
    place = cluster.place(1)
    following = cluster.start()
    cluster.dispatcher.wait_for(lambda: len(cluster.dispatcher.asked) > 2)
    for number in (1, 2):
        (cluster.place(number) / "go").touch()
    following.communicate(timeout=30)
    # The third one's pilot may have died before it knew that its last report was taken.
    assert sorted(update["job_id"] for update in cluster.dispatcher.finals() if update["job_id"] != 3) == [1, 2]
    assert cluster.finals()[1]["job_status"] == "finished"
    assert cluster.finals()[2]["trans_exit_code"] == 3
    assert (cluster.folder / "storage" / "ds" / "made.txt").read_text() == f"{place}\n"  # it was where it had begun
    assert len(cluster.noted("submitted")) == 1


def test_so_does_one_that_hears_from_its_queue_that_jobs_are_gathered(cluster):
    cluster.dispatcher.queue = queue_data(catchall="HPC_HPC")
    says, wait = cluster.reaching()
    cluster.dispatcher.jobs = [job(1, f"{says}; {UNTIL_TOLD}")]
    process = cluster.start(mode="auto")
    wait()
    process.kill()
    process.communicate()
    following = cluster.start(mode="auto")
    cluster.dispatcher.wait_for(lambda: len(cluster.dispatcher.asked) > 1)
    (cluster.place(1) / "go").touch()
    following.communicate(timeout=30)
    assert [update["job_status"] for update in cluster.dispatcher.finals()] == ["finished"]
    assert len(cluster.noted("submitted")) == 1


def test_a_pilot_that_does_not_gather_leaves_ranks_that_run_alone(cluster):
    says, wait = cluster.reaching()
    cluster.dispatcher.jobs = [job(1, f"{says}; {UNTIL_TOLD}")]
    process = cluster.start()
    wait()
    process.kill()
    process.communicate()
    place = cluster.place(1)
    cluster.run(mode="never")
    assert not cluster.finals()
    (place / "go").touch()
    cluster.run()
    assert cluster.finals()[1]["job_status"] == "finished"


def test_a_batch_job_is_found_whose_pilot_died_before_it_knew_the_number(cluster):
    cluster.environment["FATE"] = "dies after"
    says, wait = cluster.reaching()
    cluster.dispatcher.jobs = [job(1, says)]
    process = cluster.start()
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    wait()
    del cluster.environment["FATE"]
    cluster.run()
    assert [update["job_status"] for update in cluster.dispatcher.finals()] == ["finished"]
    assert len(cluster.noted("submitted")) == 1


def test_an_allocation_that_was_never_submitted_is_not_submitted_by_the_next_pilot(cluster):
    cluster.environment["FATE"] = "dies before"
    cluster.dispatcher.jobs = [job(1), job(2)]
    cluster.start().communicate(timeout=30)
    del cluster.environment["FATE"]
    cluster.run()
    assert [update["pilot_error_code"] for update in cluster.dispatcher.finals()] == [ErrorCode.PILOT_LOST] * 2
    assert len(cluster.noted("submitted")) == 1
    assert not list(cluster.base.glob("compass-pilot-*/allocation-*/worklist"))


def test_a_supercomputer_that_no_plugin_knows_is_named(cluster):
    cluster.dispatcher.jobs = [job(1)]
    cluster.run("--hpc-resource", "titan")
    assert cluster.finals()[1]["pilot_error_code"] == ErrorCode.BAD_CONFIGURATION
    assert "'titan'" in cluster.finals()[1]["pilot_error_diag"]
