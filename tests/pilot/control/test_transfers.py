"""What is told of the tries to copy a job's files."""

from __future__ import annotations

import contextlib
import json

import pytest

from pilot.contract.messages import JobUpdate
from pilot.contract.states import JobState
from pilot.control import transfers
from pilot.copytool.trace import Trace

IN = Trace("a", "in", tool="cp", endpoint="A", began=1.0, copying=1.5, verifying=0.5, size=10)
LOST = Trace("a", "in", tool="cp", endpoint="B", kind="time-out", error="late")
OUT = Trace("x", "out", tool="cp", endpoint="A", size=7, copying=0.25)


def written(folder, *traces):
    for trace in traces:
        transfers.note(folder, trace)
    return transfers.noted(folder)


def test_tries_are_read_as_they_were_noted(tmp_path):
    first, second = written(tmp_path, LOST, IN)
    assert (first["kind"], first["error"], first["size"]) == ("time-out", "late", 0)
    assert (second["lfn"], second["copying"], second["verifying"]) == ("a", 1.5, 0.5)
    assert (tmp_path / transfers.NOTE).stat().st_mode & 0o777 == 0o600


def test_without_a_note_there_was_no_try(tmp_path):
    assert transfers.noted(tmp_path) == ()
    transfers.add_to_log(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        b"\xff",
        b"half",
        b"[]",
        b"[" * 100_000,
        b'{"lfn": "a"}',
        b'{"lfn": 3, "direction": "in"}',
        b'{"lfn": "a", "direction": "in", "size": "much"}',
        b'{"lfn": "a", "direction": "in", "copying": NaN}',
        b'{"lfn": "a", "direction": "in", "other": 1}',
    ],
)
def test_what_is_no_try_is_passed_over(tmp_path, line):
    written(tmp_path, IN)
    with (tmp_path / transfers.NOTE).open("ab") as file:
        file.write(line + b"\n")
    assert len(written(tmp_path, OUT)) == 2


def test_a_link_in_the_notes_place_is_not_followed(tmp_path, caplog):
    (tmp_path / "elsewhere").write_text("text")
    (tmp_path / transfers.NOTE).symlink_to("elsewhere")
    assert written(tmp_path, IN) == ()
    assert (tmp_path / "elsewhere").read_text() == "text"
    assert transfers.NOTE in caplog.text


def test_the_log_gets_all_tries(tmp_path):
    written(tmp_path, IN, OUT)
    transfers.add_to_log(tmp_path)
    assert [one["lfn"] for one in json.loads((tmp_path / "transfers.json").read_text())] == ["a", "x"]


def test_on_a_full_disk_the_job_goes_on_without_them(small_disk, caplog):
    written(small_disk, IN)
    with contextlib.suppress(OSError), (small_disk / "fill").open("wb", 0) as file:
        while file.write(b"x" * 4096):
            pass
    transfers.add_to_log(small_disk)
    assert f"{transfers.MEMBER}: No space left" in caplog.text
    for _ in range(100):
        transfers.note(small_disk, IN)
    assert f"{transfers.NOTE}: No space left" in caplog.text
    assert transfers.noted(small_disk)[0]["lfn"] == "a"


def report(*traces, folder, ours=True, **changes):
    update = JobUpdate(job_id=1, state=JobState.FINISHED, **changes)
    return transfers.onto(update, written(folder, *traces), lambda text: text.replace("late", "****"), ours=ours)


def test_any_server_is_told_numbers_and_ours_each_try(tmp_path):
    said = report(LOST, IN, OUT, folder=tmp_path, metrics="nEvents=5")
    wanted = "nEvents=5 filesIn=1 bytesIn=10 secondsIn=2.0 filesOut=1 bytesOut=7 secondsOut=0.25 failedCopies=1"
    assert said.metrics == wanted
    assert [one["lfn"] for one in json.loads(said.transfers)] == ["a", "a", "x"]
    assert "late" not in said.transfers
    assert report(IN, folder=tmp_path, ours=False).transfers is None


def test_what_is_read_where_it_lies_counts_on_its_own(tmp_path):
    said = report(Trace("a", "in", direct=True), folder=tmp_path)
    assert said.metrics == "filesDirect=1"


def test_of_very_many_tries_the_last_are_told(tmp_path):
    told = transfers.onto(
        JobUpdate(1, JobState.FINISHED), [{"lfn": str(n), "direction": "in"} for n in range(1000)], str, ours=True
    )
    assert next(one["lfn"] for one in json.loads(told.transfers)) == "500"


def test_an_output_that_went_elsewhere_is_told_in_words(tmp_path):
    refused = Trace("x", "out", endpoint="A", kind="no space", error="full")
    there = Trace("x", "out", endpoint="B")
    words = "stored elsewhere: x at B instead of A"
    assert report(refused, there, folder=tmp_path).pilot_error_words == words
    failed = report(folder=tmp_path, pilot_error=1, pilot_error_words="bad")
    assert failed.pilot_error_words == "bad"


def test_an_output_that_came_to_its_own_storage_at_last_is_not_elsewhere(tmp_path):
    assert report(Trace("x", "out", endpoint="A", kind="time-out"), OUT, folder=tmp_path).pilot_error_words == ""


@pytest.mark.parametrize("kind", ["checksum", "size"])
def test_an_input_of_which_no_replica_is_as_registered_is_named_as_pandas_server_wants_it(tmp_path, kind):
    wrong = Trace("b", "in", kind=kind, error="wrong")
    assert report(LOST, wrong, wrong, folder=tmp_path).corrupted_files == "b"
    assert report(Trace("b", "in"), folder=tmp_path).corrupted_files is None
