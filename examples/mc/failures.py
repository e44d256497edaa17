"""Failures on order, for tests and demonstrations: the words and the ends of COMPASS's own software."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .progress import say


@dataclass(frozen=True)
class Failure:
    """What a broken payload writes, to which stream, and how it ends."""

    code: int
    """The number by which COMPASS's production system knows it."""
    stream: Literal["stdout", "stderr"]
    line: str
    status: int = 0
    """Exit status. COMPASS's programs often end with 0 after an error: only their log tells."""
    signal: signal.Signals | None = None
    """The signal that ends the program instead, with a core file where the limits allow one."""


NO_END_OF_JOB = "no-end-of-job"

FAILURES: Mapping[str, Failure] = {
    "fatal": Failure(1235, "stdout", "A FATAL ERROR APPEARED", status=1),
    "crash": Failure(1236, "stderr", "Segmentation fault      (core dumped) coral.exe mc.opt", signal=signal.SIGSEGV),
    "no-events": Failure(1237, "stderr", "DaqEventsManager::GetEvent(): no event"),
    "abnormal-end": Failure(1238, "stdout", "Abnormal job termination. Exception #2 had been caught"),
    "aborted": Failure(1239, "stderr", "Aborted                 coral.exe mc.opt", signal=signal.SIGABRT),
    "no-memory": Failure(1241, "stderr", "TLattice::TLattice: Cannot Allocate 1610612736 Bytes in Memory!", status=1),
    "empty-calibration": Failure(1243, "stderr", "_LEDinSpills empty string from calib file"),
    "cdb": Failure(1244, "stderr", "can't connect to CDB database", status=1),
    "bad-calibration": Failure(1245, "stderr", "Exception in readCalibration(): bad line", status=1),
    "killed": Failure(1246, "stderr", "Killed                  coral.exe mc.opt", signal=signal.SIGKILL),
    "coral-exit": Failure(1247, "stdout", "CORAL exiting with return code -3", status=253),
}
"""Failures that happen before any file is written. `NO_END_OF_JOB` (1240) is apart: all is written, and not said."""

PATTERNS = (*FAILURES, NO_END_OF_JOB)


def break_down(pattern: str) -> int:
    """Fail in the way of ``pattern``: write its line, then answer its status or end by its signal."""
    failure = FAILURES[pattern]
    if failure.stream == "stdout":
        say(failure.line)
    else:
        sys.stderr.write(f"{failure.line}\n")
        sys.stderr.flush()
    if failure.signal is not None:
        os.kill(os.getpid(), failure.signal)
    return failure.status
