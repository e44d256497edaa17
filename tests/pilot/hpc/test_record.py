"""What is written down of allocations, and what the next pilot makes of it."""

from __future__ import annotations

import json

import pytest

from pilot.hpc import record, report
from pilot.hpc.record import Left, Note, Record, Stage
from pilot.hpc.report import RankReport
from pilot.runtime.workdir import ALLOCATED

KEY = (7, 1)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "allocation-x"
    (made / "reports").mkdir(parents=True)
    return made


def written(folder, stage=Stage.STARTED):
    found = Record("x", stage, 5.0, (KEY, (8, 2)), number="12", cores=4, batch="slurm")
    record.write(folder, found)
    return found


def place(tmp_path, folder):
    made = tmp_path / "job"
    made.mkdir()
    record.write_note(made, Note(folder, 0))
    return made


def test_a_record_and_a_note_are_read_as_they_were_written(tmp_path, folder):
    assert record.read(folder) is None
    found = written(folder)
    assert record.read(folder) == found
    assert record.read_note(place(tmp_path, folder)) == Note(folder, 0)
    assert record.read_note(folder) is None
    assert list(record.allocations(tmp_path)) == [folder]


@pytest.mark.parametrize("line", ["Infinity", "[" * 100_000, '"x"'])
def test_a_note_that_a_payload_has_forged_is_none(tmp_path, folder, line):
    (place(tmp_path, folder) / ALLOCATED).write_text(f'{{"folder": "{folder}", "line": {line}}}')
    assert record.read_note(tmp_path / "job") is None


@pytest.mark.parametrize(
    "forged",
    [
        *({"wall_time": 10**400}, {"wall_time": float("nan")}, {"max_rss": float("inf")}, {"pid": 2**70}),
        *({"status": 1.5}, {"status": "0"}, {"status": True}, {"dumped": 1}, {"words": None}, {"code": None}),
    ],
)
def test_a_report_whose_figures_are_of_another_kind_is_none(folder, forged):
    path = folder / "reports" / "0.json"
    sound = {"job": 7, "attempt": 1, "line": 0, "status": 3, "wall_time": 2, "max_rss": 5, "late": True}
    path.write_text(json.dumps(sound))
    assert report.read(path, KEY) == RankReport(7, 1, 0, status=3, wall_time=2, max_rss=5, late=True)
    path.write_text(json.dumps({**sound, **forged}))
    assert report.read(path, KEY) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "x", "stage": "gone"}'])
def test_what_is_no_record_is_none(folder, text):
    (folder / record.RECORD).write_text(text)
    assert record.read(folder) is None


@pytest.mark.parametrize(
    ("stage", "left"),
    [
        (Stage.PLANNED, Left.LOST),
        (Stage.STARTED, Left.LOST),
        (Stage.SUBMITTING, Left.RUNNING),
        (Stage.SUBMITTED, Left.RUNNING),
        (Stage.OVER, Left.LOST),
    ],
)
def test_without_a_report_the_stage_says_whether_a_payload_may_run(tmp_path, folder, stage, left):
    written(folder, stage)
    assert record.left(place(tmp_path, folder), KEY) is left


def test_a_report_is_brought_to_its_job_once_for_all(tmp_path, folder):
    written(folder, Stage.SUBMITTED)
    made = place(tmp_path, folder)
    assert record.brought(made, KEY) is None
    report.write(folder / "reports" / "0.json", RankReport(*KEY, 0, status=0))
    assert record.left(made, KEY) is Left.REPORTED
    (folder / "reports" / "0.json").unlink()
    assert record.left(made, KEY) is Left.REPORTED
    assert record.brought(made, KEY).status == 0


def test_a_job_that_was_in_no_allocation_has_left_nothing(tmp_path):
    assert record.left(tmp_path, KEY) is Left.NOTHING


HEAD = '{"job": 7, "attempt": 1, "line": 0, '


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"job": 7}', HEAD + '"cpu_time": Infinity}', HEAD + '"words": 3}', HEAD + '"status": "well"}'],
)
def test_what_is_no_report_is_none(tmp_path, text):
    (tmp_path / "0.json").write_text(text)
    assert report.read(tmp_path / "0.json", KEY) is None


def test_a_report_with_a_code_that_nobody_knows_is_a_problem_all_the_same(tmp_path):
    report.write(tmp_path / "0.json", RankReport(*KEY, 0, code=1, detail="new"))
    assert report.read(tmp_path / "0.json", KEY).problem.detail == "new"
