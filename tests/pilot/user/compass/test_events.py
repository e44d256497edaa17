"""Counting events from what programs print."""

from __future__ import annotations

import pytest

from pilot.contract.job import JobSpec
from pilot.job import PayloadOutcome
from pilot.user import compass
from pilot.user.compass import events


def said(folder, text):
    (folder / "o").write_text(text)
    return folder / "o"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("998 events had been written to miniDST\nEnd of Job\n", 998),
        ("12 events had been written to the event dump\n998 events had been written to miniDST\n", 998),
        ("Number of events saved to output : 1996\n", 1996),
        ("Number of events generated : 2000\n", 2000),
        ("Number of events in the histograms : 5\n", 5),
        ("10 events had been written to miniDST\n30 events had been written to miniDST\n", 30),
        ("Number of events saved to output : 1\nNumber of events saved to output : 0\n", 0),
        (f"Number of events saved to output : {'1' * 6000}\n", int("1" * 18)),
        ("events had been written to miniDST\nEvents processed : 5 of 10\n", None),
        ("", None),
    ],
)
def test_the_last_line_that_counts_written_events_counts(tmp_path, text, count):
    assert events.written(said(tmp_path, text)) == count


def test_the_count_is_the_jobs_metric(tmp_path):
    path = said(tmp_path, "7 events had been written to miniDST\n")
    ended = PayloadOutcome(0, None, tmp_path, path, tmp_path / "e")
    spec = JobSpec(id=1, attempt=1, transformation="x")
    assert compass.job_metrics(spec=spec, outcome=ended) == {"nEvents": 7}
    path.write_text("")
    assert compass.job_metrics(spec=spec, outcome=ended) == {}


@pytest.mark.parametrize(
    ("text", "progress"),
    [
        ("Events processed : 500 of 2000\nEvents processed : 1000 of 2000\n", (1000, 2000)),
        ("Events processed : 500\n", (500, None)),
        ("Events processed : 500 of 2000\nEvents processed : 1", (500, 2000)),
        ("40 events had been written to miniDST\n", (40, 40)),
        ("starting\n", None),
        ("", None),
    ],
)
def test_progress_is_the_last_whole_line_that_tells_it(tmp_path, text, progress):
    spec = JobSpec(id=1, attempt=1, transformation="x")
    assert compass.payload_progress(spec=spec, stdout=said(tmp_path, text)) == progress


def test_progress_reads_the_end_only(tmp_path):
    path = said(tmp_path, "Events processed : 1 of 2\n" + "x" * events.LOOK_BACK + "\n")
    assert events.progress(path) is None
    assert events.progress(tmp_path / "gone") is None


@pytest.mark.parametrize(
    ("kind", "count"),
    [("mcreco", 3), ("merge-mdst", 5), ("mcgen", 7), ("merge-hist", 9), ("merge-dump", 11), ("ddd", 11), ("", 11)],
)
def test_each_kind_of_work_counts_by_its_own_line(tmp_path, kind, count):
    text = (
        "3 events had been written to miniDST\nNumber of events saved to output : 5\n"
        "Number of events generated : 7\nNumber of events in the histograms : 9\nNumber of events in the dump : 11\n"
    )
    spec = JobSpec(id=1, attempt=1, transformation="x", processing_type=kind)
    assert events.metrics(spec, said(tmp_path, text)) == {"nEvents": count}


def test_a_merge_that_is_not_told_how_much_went_in_is_not_held_against_it(tmp_path):
    path = said(tmp_path, "Number of events saved to output : 5\n")
    spec = JobSpec(id=1, attempt=1, transformation="phast", processing_type="merge-mdst")
    assert events.metrics(spec, path) == {"nEvents": 5}


def test_a_merge_that_loses_events_is_told_and_logged(tmp_path, caplog):
    path = said(tmp_path, "Number of events saved to output : 5\n")
    words = ("--expected-events", "7")
    spec = JobSpec(id=1, attempt=1, transformation="phast", processing_type="merge-mdst", arguments=words)
    assert events.metrics(spec, path) == {"nEvents": 5, "eventsExpected": 7, "eventsLost": 2}
    assert "the inputs hold 7 events, 5 were written" in caplog.text
    same = JobSpec(id=1, attempt=1, transformation="phast", processing_type="merge-mdst", arguments=(words[0], "5"))
    assert events.metrics(same, path) == {"nEvents": 5, "eventsExpected": 5}
