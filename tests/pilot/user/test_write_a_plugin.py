"""The example of doc/howto/write-a-plugin.md, installed as a reader would install it, and run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from pilot import plugins
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.job import PayloadOutcome

PAGE = (Path(__file__).parents[3] / "doc" / "howto" / "write-a-plugin.md").read_text()
SPEC = JobSpec(id=1, attempt=1, transformation="true")


def block(language):
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return text


@pytest.fixture
def manager(tmp_path, monkeypatch):
    (tmp_path / "aurora_plugin.py").write_text(block("python"))
    group, point = block("toml").splitlines()
    about = tmp_path / "aurora_plugin-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: aurora-plugin\nVersion: 1\n")
    name = re.search(r'"(.+)"', group).group(1)
    (about / "entry_points.txt").write_text(f"[{name}]\n{point.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield plugins.load("aurora")
    sys.modules.pop("aurora_plugin", None)


def outcome(folder, status=0):
    for name in ("o", "e"):
        (folder / name).write_text("")
    return PayloadOutcome(status, None, folder, folder / "o", folder / "e")


def test_its_answers_are_the_first(manager, tmp_path):
    asked = plugins.call(manager, "payload_environment", spec=SPEC, queue=QueueData("Q"), workdir=tmp_path)
    assert asked[0] == {"AURORA_SUMMARY": str(tmp_path / "summary.txt")}
    assert asked[-1]["PANDAID"] == "1"


def test_it_doubts_and_leaves_the_rest_to_the_generic_plugin(manager, tmp_path):
    doubted = plugins.call(manager, "diagnose_payload", spec=SPEC, outcome=outcome(tmp_path))
    assert "wrote no summary.txt" in doubted.detail
    failed = plugins.call(manager, "diagnose_payload", spec=SPEC, outcome=outcome(tmp_path, 3))
    assert "status 3" in failed.detail


def test_it_counts(manager, tmp_path):
    (tmp_path / "summary.txt").write_text("42 events\n")
    assert {"nEvents": 42} in plugins.call(manager, "job_metrics", spec=SPEC, outcome=outcome(tmp_path))
