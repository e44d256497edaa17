"""What workers count."""

from __future__ import annotations

import os
import subprocess
import sys

from server.lib import metrics
from server.lib.processes import own_name

ONE = """
from server.lib import metrics
metrics.answered("a/<x>", 200, 0.003)
metrics.refused("role")
"""


def test_calls_times_and_refusals_are_told():
    metrics.answered("tests/one", 200, 0.003)
    metrics.answered("tests/one", 200, 0.3)
    metrics.answered("tests/one", 403, 0.3)
    metrics.refused("tests")
    said = metrics.exposed().decode().splitlines()
    assert 'compass_calls_total{address="tests/one",status="200"} 2.0' in said
    assert 'compass_calls_total{address="tests/one",status="403"} 1.0' in said
    assert 'compass_call_seconds_bucket{address="tests/one",le="0.005"} 1.0' in said
    assert 'compass_refused_total{reason="tests"} 1.0' in said


def test_what_several_processes_have_counted_is_added_up(tmp_path):
    environment = {**os.environ, metrics.FOLDER: str(tmp_path)}
    for program in (ONE, ONE, "from server.lib import metrics; print(metrics.exposed().decode())"):
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
    assert 'compass_calls_total{address="a/<x>",status="200"} 2.0' in done.stdout
    assert 'compass_refused_total{reason="role"} 2.0' in done.stdout


def test_the_workers_of_a_server_have_a_folder_and_that_of_a_dead_one_goes(tmp_path, monkeypatch):
    monkeypatch.setenv(metrics.FOLDER, "")
    gone = str(own_name()).rpartition("|")[0] + "|1"  # the same number, begun at another time
    for name in (gone, "somebody else's"):
        (tmp_path / "metrics" / name).mkdir(parents=True)
    metrics.share_among_workers(tmp_path)
    assert {path.name for path in (tmp_path / "metrics").iterdir()} == {str(own_name()), "somebody else's"}
    assert os.environ[metrics.FOLDER] == str(tmp_path / "metrics" / str(own_name()))
