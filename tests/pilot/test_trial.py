"""``pilot test`` as an admin runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pilot import trial
from pilot.contract.exit_codes import ExitCode

ROOT = Path(__file__).parents[2]


def pilot(*words, cwd, **variables):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
    return subprocess.run(
        [sys.executable, "-m", "pilot", *words],
        env={**plain, "PYTHONPATH": str(ROOT), "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000", **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_node_on_which_pilots_work_is_told_so_and_left_as_it_was(tmp_path):
    done = pilot("test", "--jobs", "2", "-a", str(tmp_path / "work"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "job 1: finished, payload's exit status 0, stored: out-1.txt, test-1.log.tgz",
        "job 2: finished, payload's exit status 0, stored: out-2.txt, test-2.log.tgz",
        "a pilot works here",
    ]
    assert list((tmp_path / "work").iterdir()) == []


def test_a_pilot_works_without_standard_streams_as_well(tmp_path):
    closed = ["sh", "-c", 'exec "$0" -m pilot test -t -a work <&- >&- 2>&-', sys.executable]
    free = {"PYTHONPATH": str(ROOT), "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000"}
    assert subprocess.run(closed, env={**os.environ, **free}, cwd=tmp_path, timeout=60).returncode == 0


def test_a_pilot_whose_last_words_find_no_room_ends_as_it_would(tmp_path):
    full = ["sh", "-c", 'exec "$0" -m pilot test -t -a work 2>/dev/full', sys.executable]
    free = {"PYTHONPATH": str(ROOT), "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000"}
    assert subprocess.run(full, env={**os.environ, **free}, cwd=tmp_path, timeout=60).returncode == 0


def test_the_folder_to_work_in_may_be_named_from_where_one_is(tmp_path):
    done = pilot("test", "-a", "work", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_folder_that_cannot_be_made_is_a_slip_with_its_name(tmp_path):
    (tmp_path / "file").write_text("no folder")
    done = pilot("test", "-a", "file/here", cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_CONFIGURATION
    assert f"job.workdir: no folder can be made in {tmp_path}/file/here: Not a directory" in done.stderr


def test_a_site_that_takes_signed_jobs_only_can_be_tried_too(tmp_path):
    done = pilot("test", cwd=tmp_path, COMPASS_PILOT__VERIFY__SIGNATURES="always")
    assert done.returncode == 0, done.stdout


def test_a_node_on_which_they_do_not_is_told_why(tmp_path):
    site = {"COMPASS_PILOT__CONTAINER__REQUIRED": "true", "COMPASS_PILOT__CONTAINER__PROGRAM": "/nowhere/apptainer"}
    done = pilot("test", cwd=tmp_path, **site)
    assert done.returncode == ExitCode.JOB_FAILED
    assert "job 1: failed, payload's exit status none, stored: test-1.log.tgz; error 1901: container_" in done.stdout
    assert "a pilot does not work here: exit status 90" in done.stdout


def test_a_pilot_that_does_not_even_begin_is_told_as_such(tmp_path):
    done = pilot("test", "--pilotuser", "nobody", cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_CONFIGURATION
    assert "job 1: no final report was written" in done.stdout
    assert "there is no plugin 'nobody'" in done.stderr


def test_who_ends_it_ends_the_pilot_in_order_and_leaves_nothing(tmp_path):
    argv = [sys.executable, "-m", "pilot", "test", "--jobs", "1000", "-d", "-a", str(tmp_path / "work")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        argv, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as trial_run:
        assert any("job 1.1: " in line for line in trial_run.stderr), "no job began"
        trial_run.terminate()
        said, told = trial_run.communicate(timeout=60)
    assert trial_run.returncode == 128 + signal.SIGTERM
    assert "ended by SIGTERM" in told
    assert f"a pilot does not work here: exit status {128 + signal.SIGTERM}" in said
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("text", ["0", "x", "-1", "1001", "²"])
def test_the_number_of_jobs_is_one(tmp_path, text):
    done = pilot("test", "--jobs", text, cwd=tmp_path)
    assert (done.returncode, "is not a number from 1 to 1000" in done.stderr) == (ExitCode.USAGE, True)


def test_each_job_is_a_job_like_any_other():
    assert json.loads(json.dumps(trial.job(3)))["jobParameters"] == ["-c", "wc -c < in.txt > out-3.txt && echo counted"]
