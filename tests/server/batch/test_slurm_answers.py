"""What Slurm writes is read, and each of its states and reasons has a meaning."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server.batch.base import BatchJob, BatchState, Window
from server.batch.slurm_answers import (
    FIELDS,
    HOLDING,
    STATES,
    WAITING,
    JobId,
    Row,
    ended_as,
    largest_array,
    read_accounts,
    read_id,
    read_queue,
    read_settings,
    read_window,
)

WAITS, RUNS, ENDS = (BatchState.QUEUED, BatchState.HELD), (BatchState.RUNNING,), (BatchState.DONE,)
#: The states of squeue's and sacct's manuals, of Slurm 22.05 to 25.05.
MANUAL = {
    **dict.fromkeys(("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"), WAITS),
    **dict.fromkeys(("EXPEDITING",), WAITS),
    **dict.fromkeys(("CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"), RUNS),
    **dict.fromkeys(("STAGE_OUT", "RESIZING", "POWER_UP_NODE", "UPDATE_DB"), RUNS),
    **dict.fromkeys(("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "DEADLINE", "OUT_OF_MEMORY", "PREEMPTED"), ENDS),
    **dict.fromkeys(("NODE_FAIL", "BOOT_FAIL", "RECONFIG_FAIL", "LAUNCH_FAILED", "REVOKED"), ENDS),
}


def written(fields, *values):
    return "".join(f"{value:<{width}}" for (_, width), value in zip(fields, values, strict=True)) + "\n"


@pytest.mark.parametrize("state", MANUAL)
def test_every_state_of_slurms_manual_is_known(state):
    assert STATES[state][0] in MANUAL[state]
    assert Row(state).over is (MANUAL[state] == ENDS)


def test_no_state_is_told_that_the_manual_does_not_have():
    assert set(STATES) == set(MANUAL)


@pytest.mark.parametrize("state", sorted(set(MANUAL) - {"PENDING", "RUNNING", "COMPLETED", "FAILED"}))
def test_a_state_that_does_not_go_without_saying_has_words_and_its_own_name(state):
    assert Row(state).as_job().words.endswith(f"({state})")


def test_a_state_that_nobody_knows_is_no_end():
    job = Row("DREAMING").as_job()
    assert (job.state, job.words) == (BatchState.RUNNING, "Slurm says (DREAMING)")


@pytest.mark.parametrize("reason", sorted(HOLDING))
def test_what_waits_for_somebody_to_change_something_is_held_with_the_reason(reason):
    assert Row("PENDING", reason).as_job() == BatchJob(BatchState.HELD, words=reason)


@pytest.mark.parametrize("reason", ["Resources", "Priority", "QOSMaxJobsPerUserLimit", "ReqNodeNotAvail", ""])
def test_what_waits_for_its_turn_is_queued_with_the_reason(reason):
    assert Row("PENDING", reason, started=1e9).as_job() == BatchJob(BatchState.QUEUED, words=reason)


def test_what_was_requeued_says_so():
    assert Row("PENDING", "BeginTime", restarts=1).as_job().words == "BeginTime, requeued"


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (Row("COMPLETED"), 0),
        (Row("FAILED", code=82), 82),
        (Row("FAILED", signal=9), 137),
        (Row("FAILED"), None),
        (Row("CANCELLED"), None),
        (Row("CANCELLED", signal=15), 143),
        (Row("TIMEOUT"), None),
        (Row("NODE_FAIL"), None),
        (Row("OUT_OF_MEMORY", signal=125), 137),
    ],
)
def test_the_exit_status_is_told_where_slurm_tells_it(row, status):
    assert row.as_job().exit_status == status


def test_a_node_that_could_not_set_a_job_up_points_at_the_shared_folder():
    assert "is the shared folder there?" in Row("FAILED", "NonZeroExitCode", signal=53).words


def test_an_id_is_read_as_it_is_written():
    for job in (JobId(7, 0), JobId(4711, 12, "alpha")):
        assert read_id(str(job)) == job
    assert JobId(7, 3, "alpha").whole == "7@alpha"


@pytest.mark.parametrize(
    "text", ["", "7", "7_", "_7", "7_1@", "7_1@-M", "7_1@a b", "../7_1", "7_1\n", "7_1.batch", "٧_1"]
)
def test_what_is_no_id_is_none(text):
    assert read_id(text) is None


def test_squeue_is_read_field_by_field_also_where_reasons_have_blanks():
    text = written(FIELDS, 12, 3, "PENDING", 0, 0, "N/A", "N/A", "n/a", "(launch failed requeued held)")
    text += written(FIELDS, 12, 4, "FAILED", 1, 7 << 8, 1000, 1060, "n1", "NonZeroExitCode")
    assert read_queue(text) == {
        (12, 3): Row("PENDING", "launch_failed_requeued_held"),
        (12, 4): Row("FAILED", "NonZeroExitCode", 1, 7, 0, 1000.0, 1060.0, "n1"),
    }


def test_what_is_no_job_of_an_array_is_passed_over():
    text = "CLUSTER: alpha\n" + written(FIELDS, 9, "N/A", "CANCELLED", 0, 0, 5, 5, "n/a", "None") + "\n"
    assert read_queue(text) == {}


def test_sacct_is_read_and_what_is_no_job_is_passed_over():
    text = "12_0|CANCELLED by 1000|0:15|1000|1060|n[1-2]\n12_[1-4]|PENDING|0:0|Unknown|Unknown|None assigned\n"
    text += "12_5|TIMEOUT|0:0|None|1060|None assigned\n13|COMPLETED|0:0|1|2|n1\n12_6|short\n"
    assert read_accounts(text) == {
        (12, 0): Row("CANCELLED", "by 1000", 0, 0, 15, 1000.0, 1060.0, "n[1-2]"),
        (12, 5): Row("TIMEOUT", ended=1060.0),
    }


def test_an_end_is_told_by_the_jobs_own_program_first():
    claim, end = {"at": 1000.0, "node": "n1"}, {"status": 137, "at": 1060.0, "words": ""}
    row = Row("OUT_OF_MEMORY", "", 0, 0, 125, 999.0, 1061.0, "n2")
    assert ended_as(row, claim, end) == BatchJob(
        BatchState.DONE,
        137,
        datetime.fromtimestamp(1000, UTC),
        datetime.fromtimestamp(1060, UTC),
        "it used more memory than it had asked for (OUT_OF_MEMORY)",
        "n1",
    )
    assert ended_as(None, claim, {**end, "words": "stopped by order"}).words == "stopped by order"


def test_an_end_without_a_word_of_the_program_is_slurms_with_what_was_written_last():
    found = ended_as(Row("FAILED", code=127, started=5.0, node="n1"), {}, {}, said="python3: not found")
    assert (found.exit_status, found.words, found.node) == (127, "python3: not found", "n1")
    assert found.started == datetime.fromtimestamp(5, UTC)


def test_what_was_cancelled_before_it_started_has_neither_status_nor_start():
    found = ended_as(Row("CANCELLED", "Priority", started=5.0, ended=5.0), {}, {})
    assert (found.exit_status, found.started, found.words) == (None, None, "cancelled before it started")


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"MaxArraySize": "1001"}, 1001),
        ({"MaxArraySize": "0"}, 1001),
        ({}, 1001),
        ({"MaxArraySize": "10001", "SchedulerParameters": "bf_interval=1,max_array_tasks=500"}, 500),
        ({"SchedulerParameters": "max_array_tasks=0"}, 1),
    ],
)
def test_an_array_is_as_large_as_slurm_says(settings, size):
    assert largest_array(settings) == size


def test_settings_are_read_by_name():
    text = "Configuration data as of 2026\nMaxArraySize            = 1001\nSchedulerParameters     = a=1,b=2\n"
    assert read_settings(text) == {"MaxArraySize": "1001", "SchedulerParameters": "a=1,b=2"}


def test_the_window_counts_nodes_that_are_idle_or_planned_and_no_others():
    nodes = "idle|3\nplanned|2\nidle*|5\ndraining|1\nmixed|4\nallocated|7\nmaint|1\n"
    assert read_window(nodes, "", 1000.0) == Window(5, None)


def test_the_window_ends_when_the_first_that_waits_is_expected_to_start():
    waiting = written(WAITING, "PENDING", 1600, "Resources") + written(WAITING, "PENDING", 1300, "Priority")
    assert read_window("idle|3\n", waiting, 1000.0) == Window(3, 300.0)
    assert read_window("idle|3\n", waiting, 2000.0) == Window(3, 0.0)


def test_who_can_never_start_waits_for_no_node():
    assert read_window("idle|3\n", written(WAITING, "PENDING", "N/A", "JobHeldUser"), 0.0) == Window(3, None)


def test_nobody_knows_the_window_while_slurm_has_not_reckoned():
    assert read_window("idle|3\n", written(WAITING, "PENDING", "N/A", "Priority"), 0.0) is None
