"""What runs on a node of Slurm: who may start, what a job gets of its node, and one file that holds it all."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from server.batch.slurm_files import node_program
from server.batch.slurm_node import given, settle

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "SLURM_CLUSTER_NAME": "alpha", "SLURMD_NODENAME": "n1", "HOME": "/root"}


@pytest.fixture
def home(tmp_path):
    """The folder of a submission, as the server leaves it."""
    (tmp_path / "node.pyz").write_bytes(node_program())
    order = {"argv": ["/usr/bin/env"], "environment": {"A": "b"}, "grace": 1.0, "files": {}}
    (tmp_path / "order.json").write_text(json.dumps(order))
    return tmp_path


def run(home, array, index, first=0, named="0"):
    """Run the program as the batch script does; answer its exit status and what it wrote."""
    environment = {**ENVIRONMENT, "SLURM_ARRAY_JOB_ID": str(array), "SLURM_ARRAY_TASK_ID": str(index)}
    argv = [sys.executable, "-I", "-S", str(home / "node.pyz"), str(home), str(first), named]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_a_job_runs_in_its_own_directory_by_its_number_with_what_was_ordered_and_what_slurm_says(home):
    assert run(home, 7, 1, first=4, named="1") == (0, "")
    said = dict(line.split("=", 1) for line in (home / "5/stdout").read_text().splitlines())
    assert said == {
        "A": "b",
        "SLURM_CLUSTER_NAME": "alpha",
        "SLURMD_NODENAME": "n1",
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "1",
        "COMPASS_BATCH_ID": "7_1@alpha",
        "PANDA_JSID": "7_1@alpha",
        "COMPASS_BATCH_DIRECTORY": str(home / "5"),
    }
    assert json.loads((home / "5/exit.json").read_text())["status"] == 0


def test_only_jobs_of_one_array_start(home):
    assert run(home, 7, 0)[0] == 0
    status, words = run(home, 8, 1)
    assert (status, words) == (1, "8_1 does not start: its part of the submission is 7\n")
    assert not (home / "1").exists()
    assert run(home, 7, 2)[0] == 0


def test_nothing_starts_of_a_part_that_was_closed(home):
    assert settle(str(home / "part-0"), "") == ""
    assert run(home, 7, 0) == (1, "7_0 does not start: its part of the submission is closed\n")


def test_a_job_that_is_begun_anew_does_not_run_again(home):
    run(home, 7, 0)
    assert run(home, 7, 0) == (1, "7_0 does not start a second time\n")
    assert (home / "0/stdout").read_text().count("A=b") == 1


def test_a_job_that_was_told_to_stop_before_it_started_does_not(home):
    (home / "0").mkdir()
    (home / "0/stop").touch()
    assert run(home, 7, 0) == (1, "")
    end = json.loads((home / "0/exit.json").read_text())
    assert (end["status"], end["words"]) == (None, "cancelled before it started")


def test_what_was_settled_once_stays_so(tmp_path):
    path = str(tmp_path / "part-0")
    assert [settle(path, array) for array in ("7", "7", "8", "")] == ["", "", "7", "7"]
    assert [file.name for file in tmp_path.iterdir()] == ["part-0"]


def test_a_job_gets_of_its_node_what_slurm_and_the_devices_say_and_nothing_else(tmp_path):
    (tmp_path / "slurm.conf").touch()
    of_node = {"SLURM_JOB_ID": "7", "TMPDIR": "/scratch", "CUDA_VISIBLE_DEVICES": "0", "HOME": "/root", "SECRET": "x"}
    kept = {"SLURM_JOB_ID": "7", "TMPDIR": "/scratch", "CUDA_VISIBLE_DEVICES": "0"}
    assert given(of_node) == kept
    there, elsewhere = str(tmp_path / "slurm.conf"), str(tmp_path / "nowhere")
    assert given({**of_node, "SLURM_CONF": there}) == {**kept, "SLURM_CONF": there}
    assert given({**of_node, "SLURM_CONF": elsewhere}) == kept
