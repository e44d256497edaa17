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
