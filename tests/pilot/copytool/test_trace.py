"""What is told of each try to copy a file."""

from __future__ import annotations

from pilot.copytool.trace import Trace, told


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
