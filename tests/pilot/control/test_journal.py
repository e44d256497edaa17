from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.messages import StoredFile
from pilot.control.journal import Journal, JournalUnusable, Record
from pilot.job import Problem

RECORD = Record(7, 1, "server", "Q", "running", 1e9, "r1", stored=(StoredFile("out", 3, None),), final="{}")


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


def test_a_record_holds_all_that_a_successor_needs(journal):
    figures = {"status": 0, "signal": None, "wall_time": 2.5, "cpu_time": 2.0, "max_rss": 4096}
    whole = replace(
        RECORD,
        spec='{"PandaID": 7}',
        problem=Problem(ErrorCode.PAYLOAD_FAILED, "it said: no", 13),
        outcome=figures,
        metrics={"nEvents": 3},
        spent={"running": 2.5},
    )
    journal.write(whole)
    assert list(journal.records()) == [whole]


def test_a_figure_that_is_no_json_is_kept_as_text(journal):
    journal.write(replace(RECORD, metrics={"path": Path("/x")}))
    assert [record.metrics for record in journal.records()] == [{"path": "/x"}]


def test_a_record_is_for_its_owner_alone(journal):
    journal.write(RECORD)
    assert (journal.folder / "7-1.json").stat().st_mode & 0o777 == 0o600


def test_records_of_older_and_newer_pilots_are_read(journal):
    written = {**asdict(RECORD), "problem": "NO_LOCAL_SPACE: full", "of the future": 1}
    del written["spec"]
    (journal.folder / "7-1.json").write_text(json.dumps(written))
    assert list(journal.records()) == [replace(RECORD, problem=Problem(ErrorCode.NO_LOCAL_SPACE, "full"))]


def test_only_old_records_that_cannot_be_read_are_dropped(journal):
    journal.write(RECORD)
    for name, changed in (("6-1.json", 1e9), ("5-1.json", 2e9)):
        (journal.folder / name).write_text("garbage")
        os.utime(journal.folder / name, (changed, changed))
    journal.drop_unreadable(before=1.5e9)
    assert sorted(path.name for path in journal.folder.iterdir()) == ["5-1.json", "7-1.json"]


@pytest.mark.parametrize("durable", [False, True])
def test_what_was_written_is_read(journal, durable):
    journal.write(RECORD, durable=durable)
    assert list(journal.records()) == [RECORD]


def test_a_record_is_replaced_as_a_whole(journal):
    journal.write(RECORD)
    journal.write(Record(7, 1, "server", "Q", "x", 1.0))
    assert [record.phase for record in journal.records()] == ["x"]
    assert [path.name for path in journal.folder.iterdir()] == ["7-1.json"]


def test_attempts_are_apart_and_are_forgotten_one_by_one(journal):
    journal.write(RECORD)
    journal.write(Record(7, 2, "server", "Q", "x", 1.0))
    journal.forget(7, 1)
    journal.forget(7, 1)
    assert [record.attempt for record in journal.records()] == [2]


def test_half_a_record_of_a_pilot_that_died_while_writing_is_no_record(journal):
    journal.write(RECORD)
    (journal.folder / "7-1.new").write_text('{"id": 7, "att')
    assert list(journal.records()) == [RECORD]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 7}', '{"id": 7, "stored": [], "wrong": 1}'])
def test_a_record_that_cannot_be_read_is_named_and_keeps_no_other_back(journal, text, caplog):
    journal.write(RECORD)
    (journal.folder / "6-1.json").write_text(text)
    assert list(journal.records()) == [RECORD]
    assert "6-1.json" in caplog.text
    journal.forget(RECORD.id, RECORD.attempt)
    assert journal.holds_jobs()


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_request_that_cannot_be_read_is_none(journal, text):
    (journal.folder / "request.json").write_text(text)
    assert journal.open_request("server", "Q") is None


def test_a_request_is_handed_over_in_one_step(journal, tmp_path):
    other = Journal(tmp_path / "other")
    journal.asked("r1", "server", "Q")
    with pytest.raises(JournalUnusable, match="other"):
        journal.hand_over_request(other)
    assert journal.open_request("server", "Q") == "r1"
    other.folder.mkdir()
    journal.hand_over_request(other)
    assert (journal.open_request("server", "Q"), other.open_request("server", "Q")) == (None, "r1")


def test_a_disk_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(JournalUnusable, match="missing"):
        Journal(tmp_path / "missing").write(RECORD)


def test_a_request_is_open_until_it_is_answered(journal):
    assert journal.open_request("server", "Q") is None
    journal.asked("r1", "server", "Q")
    assert journal.open_request("server", "Q") == "r1"
    journal.answered()
    assert journal.open_request("server", "Q") is None


@pytest.mark.parametrize(("server", "queue"), [("other", "Q"), ("server", "R")])
def test_a_request_belongs_to_a_server_and_a_queue(journal, server, queue):
    journal.asked("r1", "server", "Q")
    assert journal.open_request(server, queue) is None


def test_a_request_whose_jobs_are_written_down_is_answered(journal):
    journal.asked("r1", "server", "Q")
    journal.write(RECORD)
    assert journal.open_request("server", "Q") is None


@pytest.mark.parametrize("written", [(), (7,), (7, 8)])
def test_of_the_jobs_of_one_answer_none_is_lost_wherever_the_pilot_dies(journal, written):
    other = replace(RECORD, id=8, final="")
    journal.asked("r1", "server", "Q")
    journal.accepted("r1", (RECORD, other))
    for number in written:
        journal.write(replace(RECORD, id=number, phase="staging-in"))
    assert journal.open_request("server", "Q") is None, "it was answered"
    journal.complete()
    phases = {record.id: record.phase for record in journal.records()}
    assert phases == {number: "staging-in" if number in written else "running" for number in (7, 8)}
    journal.forget(7, 1)
    journal.complete()
    assert [record.id for record in journal.records()] == [8], "what was settled does not come back"


def test_a_request_without_an_answer_is_not_completed(journal):
    journal.complete()
    journal.asked("r1", "server", "Q")
    journal.complete()
    assert journal.open_request("server", "Q") == "r1"


@pytest.mark.parametrize(
    "changed",
    [
        {"id": [7]},
        {"id": "7"},
        {"id": 8},
        {"attempt": None},
        {"started": "yesterday"},
        {"started": 1e300},
        {"started": float("nan")},
        {"spec": None},
        {"queue": 5},
        {"final": ["x"]},
        {"spent": []},
        {"spent": {"running": "long"}},
        {"metrics": ["x"]},
        {"outcome": [1]},
        {"outcome": {"cpu_time": None}},
        {"outcome": {"words": 5}},
        {"usage": {"peak": 3}},
        {"stored": [{"lfn": ["x"], "size": 1, "checksum": None}]},
    ],
)
def test_a_record_with_a_value_of_another_kind_cannot_be_read(tmp_path, changed):
    journal = Journal(tmp_path)
    journal.write(RECORD)
    path = tmp_path / "7-1.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    assert list(journal.records()) == []
    assert path.exists()


@pytest.mark.parametrize("text", ["[" * 100_000, "null", ""])
def test_what_is_no_record_at_all_cannot_be_read(tmp_path, text):
    (tmp_path / "7-1.json").write_text(text)
    assert list(Journal(tmp_path).records()) == []


def test_no_record_is_read_through_a_link_or_from_a_pipe(tmp_path):
    journal, folder = Journal(tmp_path / "journal"), tmp_path / "journal"
    folder.mkdir()
    journal.write(RECORD)
    (folder / "7-1.json").rename(tmp_path / "7-1.json")
    (folder / "7-1.json").symlink_to(tmp_path / "7-1.json")
    os.mkfifo(folder / "8-1.json")
    assert list(journal.records()) == []


def test_phases_of_a_newer_pilot_are_passed_over(tmp_path):
    journal = Journal(tmp_path)
    journal.write(replace(RECORD, phase="flying", spent={"flying": 2.0, "running": 3.0}))
    (found,) = journal.records()
    assert (found.phase, found.spent) == ("flying", {"running": 3.0})
