"""What a pilot knows has one source: nobody else is asked, and nothing is kept where two jobs would share it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.contract.job import FileSpec, JobSpec, Role
from tests.pilot.dispatcher import QUEUE, queue_data, serving

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "pilot").rglob("*.py"))
DESCRIPTIONS = (f"/cache/schedconfig/{QUEUE}.all.json", "/cache/ddmendpoints.json")


def run(folder, dispatcher, *options, **more):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COMPASS_", "HARVESTER_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pilot", "-q", QUEUE, "--url", dispatcher.url, "-a", str(folder / "base"), *options],
        env={**environment, "PYTHONPATH": str(ROOT), "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000", **more},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_queue_data_are_fetched_once_and_from_one_source__peer_defect_22(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        dispatcher.jobs = [JobSpec(id=number, attempt=1, transformation="true") for number in (7, 8)]
        run(tmp_path, dispatcher, COMPASS_PILOT__JOB__TIME_FLOOR="600", COMPASS_PILOT__JOB__ASK_WAIT="0.05")
        assert len(dispatcher.finals()) == 2
        assert [dispatcher.counts[path] for path in DESCRIPTIONS] == [1, 1]


def test_queue_data_in_files_are_asked_of_nobody__peer_defect_22(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        (tmp_path / "queue.json").write_text(json.dumps(queue_data()))
        (tmp_path / "storages.json").write_text(json.dumps(dispatcher.storages))
        dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="true")]
        run(tmp_path, dispatcher, "--queuedata-url", "queue.json", "--storagedata-url", "storages.json")
        assert not set(DESCRIPTIONS) & set(dispatcher.counts)


def test_two_jobs_at_once_have_each_its_own_environment__peer_defect_31(tmp_path):
    (tmp_path / "storage" / "ds").mkdir(parents=True)
    with serving(tmp_path / "storage") as dispatcher:
        dispatcher.jobs = [
            JobSpec(
                id=number,
                attempt=1,
                transformation="/bin/sh",
                arguments=("-c", f"env > {number}.txt"),
                outputs=(FileSpec(f"{number}.txt", Role.OUTPUT, dataset="ds"),),
            )
            for number in (7, 8)
        ]
        run(tmp_path, dispatcher, COMPASS_PILOT__JOB__AT_ONCE="2")
    for number in (7, 8):
        text = (tmp_path / "storage" / "ds" / f"{number}.txt").read_text()
        assert f"PANDAID={number}\n" in text
        assert f"PanDA_Pilot-{number}-1/tmp\n" in text


def writes(node):
    """Whether a piece of code changes the process's environment, or a name of its module."""
    if isinstance(node, ast.Global):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        what = ast.unparse(node.func)
        return what in ("os.putenv", "os.unsetenv") or (what.startswith("os.environ.") and what != "os.environ.get")
    targets = node.targets if isinstance(node, (ast.Assign, ast.Delete)) else []
    return any(ast.unparse(target).startswith("os.environ") for target in targets)


@pytest.mark.parametrize(
    "text", ["os.environ['A'] = '1'", "os.environ.update(a=1)", "def f():\n global x", "del os.environ['A']"]
)
def test_what_would_keep_state_for_all_jobs_is_recognised(text):
    assert any(writes(node) for node in ast.walk(ast.parse(text)))


def test_no_module_keeps_state_in_the_environment_or_in_global_names__peer_defect_31():
    found = [path.name for path in MODULES if any(writes(node) for node in ast.walk(ast.parse(path.read_text())))]
    assert found == []
