"""What a task would do, from a terminal."""

from __future__ import annotations

import json

import pytest

from client.cli import main
from tests.client import test_cli

server = test_cli.server
KNOWN = {"files": 2, "size": 3000, "unknown": 0}
FOUND = {
    "task": "reco", "type": "mass_production", "queue": "CERN", "run": None, "limit": 10, "status": "",
    "conflicts": [{"task": "old", "state": "done", "runs": 1, "words": "task 'old' makes the same files"}],
    "there": {"files": 3, "looked": 5000, "all": False, "names": ["data/[x].root"]},
    "learnt": {"alike": "type", "tasks": ["before"], "jobs": 7, "merges": 1},
    "totals": {
        "runs": 1, "chunks": 2, "jobs": 3, "empty": 4, "inputs": {"files": 2, "size": 0, "unknown": 2},
        "outputs": [{"kind": "mdst", "dataset": "data/mDST.chunks", **KNOWN}],
        "merges": [{"kind": "mdst", "dataset": "data/mDST", "refused": 1, "files": 1, "size": 3000, "unknown": 0}],
        "tape": {
            "prestage": [{"storage": "CTA", "files": 2, "size": 10, "unknown": 1, "requests": 1}],
            "archive": {"storage": "CTA", "files": 1, "size": 3000, "unknown": 0, "requests": 1},
        },
        "duration": {"seconds": 7260.0, "words": "2 jobs and 1 merges on 4 slots"},
    },
    "jobs": {
        "from": 0, "total": 2,
        "rows": [{
            "job": "p-2016--1-1-0-7", "events": None, "input": {"lfn": "cdr1-1.raw", "size": None},
            "outputs": [{"lfn": "mDST-1-1-0-7.root", "size": 1500}],
        }],
    },
    "merges": {
        "from": 0, "total": 1,
        "rows": [{"name": "p-merge", "first": 1, "last": 2, "files": 2, "lfn": "mDST-1-0-7.root", "size": None}],
    },
}  # fmt: skip


@pytest.fixture
def answered(server, monkeypatch):
    monkeypatch.setitem(test_cli.ANSWERS, "production/dry_run", FOUND)
    return server


def test_a_draft_s_dry_run_is_shown(answered, capsys):
    assert main(["task", "dry-run", "reco", "--run", "1", "--rows", "5"]) == 0
    ((method, query, body),) = answered
    assert (method, body) == ("production/dry_run", None)
    assert {"task=reco", "run=1", "limit=5"} == set(query.split("&"))
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        *("1 runs, 2 chunks, 3 jobs with merges; 4 files without events are left out", "makes the same files"),
        *("3 of its files are there already, of the first 5000 chunks, such as data/[x].root", "unknown", "3 kB"),
        *("2 files (> 10 B) from CTA", "1 files (3 kB) to CTA", "2 h 01 min: 2 jobs", "7 finished jobs"),
        *("mDST-1-1-0-7.root 1.5 kB", "1 larger than the merging program takes", "p-merge 1-2 2 mDST-1-0-7.root ?"),
    ):
        assert words in told


def test_a_definition_is_looked_at_and_not_written(answered, tmp_path, capsys):
    (tmp_path / "task.json").write_text('{"name": "reco"}')
    assert main(["task", "create", str(tmp_path / "task.json"), "--dry-run", "--json"]) == 0
    assert answered == [("production/dry_run", "", {"definition": {"name": "reco"}, "limit": 10})]
    assert json.loads(capsys.readouterr().out) == FOUND


def test_a_dry_run_starts_nothing(answered, tmp_path, capsys):
    (tmp_path / "task.json").write_text("{}")
    assert main(["task", "create", str(tmp_path / "task.json"), "--dry-run", "--start"]) == 1
    assert "leave out --start" in capsys.readouterr().err
    assert not answered
