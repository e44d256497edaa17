"""What is told of each try to copy a file."""

from __future__ import annotations

import pytest

from pilot.copytool.trace import Trace, shown, told


def test_what_says_nothing_is_left_out():
    trace = Trace("a", "in", tool="cp", began=1.23456, copying=0.00049, size=0)
    assert told(trace) == {
        "lfn": "a",
        "direction": "in",
        "tool": "cp",
        "began": 1.235,
        "copying": 0.0,
        "verifying": 0.0,
        "size": 0,
        "attempt": 1,
    }


def test_a_trace_without_an_error_ended_well():
    assert Trace("a", "in").well
    assert not Trace("a", "in", kind="unknown").well


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://user:p@ss@storage/x?signature=s3cret", "https://***@storage/x"),
        ("file:///data/a", "file:///data/a"),
        ("rucio:scope:lfn", "rucio:scope:lfn"),
    ],
)
def test_no_secret_of_an_address_is_shown(url, words):
    assert shown(url) == words
