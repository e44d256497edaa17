from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control import verdicts
from pilot.job import PayloadOutcome, Problem

MB = 2**20


def outcome(status=None, killed_by=None, **more):
    return PayloadOutcome(status, killed_by, Path(), Path(), Path(), **more)


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (
            {"memory_kills": 1, "memory_peak": 64 * MB, "memory_limit": 64 * MB},
            ErrorCode.PAYLOAD_EXCEEDED_MEMORY,
            "killed a process of the payload for want of memory, when it had 64 MB of the 64 MB that it may have",
        ),
        (
            {"memory_kills": 2, "memory_peak": 30 * MB, "memory_limit": 64 * MB},
            ErrorCode.PAYLOAD_OUT_OF_MEMORY,
            "killed 2 processes .* had 30 MB; it might have had 64 MB: the node or the slot was short of memory",
        ),
        (
            {"memory_kills": 1},
            ErrorCode.PAYLOAD_OUT_OF_MEMORY,
            "had an unknown amount; it had no limit of its own: the node",
        ),
    ],
)
def test_want_of_memory_is_told_with_numbers_and_with_whose_limit_it_was(more, code, words):
    for ended in ({"killed_by": signal.SIGKILL}, {"status": 137}, {"status": 1}):
        problem = verdicts.of_limits(outcome(**ended, **more))
        assert problem.code is code
        assert re.search(words, problem.detail)


def test_a_mere_sigkill_is_not_taken_for_want_of_memory():
    killed = outcome(killed_by=signal.SIGKILL, memory_peak=64 * MB, memory_limit=64 * MB)
    assert verdicts.of_limits(killed) is None
    assert verdicts.of_status(killed).code is ErrorCode.PAYLOAD_SIGNALLED


def test_a_payload_that_got_over_the_loss_of_a_process_ended_well():
    assert verdicts.of_limits(outcome(status=0, memory_kills=1)) is None


def test_limits_that_signals_enforce_have_their_codes():
    too_long = verdicts.of_limits(outcome(killed_by=signal.SIGXCPU, cpu_limit=100))
    assert (too_long.code, "100 s of CPU time" in too_long.detail) == (ErrorCode.SIGXCPU, True)
    assert verdicts.of_limits(outcome(killed_by=signal.SIGXFSZ)).code is ErrorCode.OUTPUT_TOO_LARGE


def test_sigxcpu_from_somebody_else_is_a_signal_like_any():
    assert verdicts.of_limits(outcome(killed_by=signal.SIGXCPU)) is None


def test_a_core_dump_is_told_beside_what_is_known_already():
    signalled = Problem(ErrorCode.PAYLOAD_SIGNALLED, "ended by SIGSEGV")
    assert verdicts.with_core(signalled, "it lies there") == Problem(
        ErrorCode.CORE_DUMP, "ended by SIGSEGV; it lies there"
    )
    known = Problem(ErrorCode.PAYLOAD_FAILED, "no calibration", 1238)
    assert verdicts.with_core(known, "x") == Problem(ErrorCode.PAYLOAD_FAILED, "no calibration; x", 1238)
