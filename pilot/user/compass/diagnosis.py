"""Why a COMPASS program failed, from what it printed.

Source of the texts and numbers: the experiment's public pilot (read as facts).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.payload_codes import MEANINGS, PayloadCode
from pilot.contract.processing import ProcessingType
from pilot.job import PayloadOutcome, Problem
from pilot.user.output import blocks_of_lines


@dataclass(frozen=True)
class Sign:
    """A text by which a program tells why it fails."""

    pattern: bytes
    code: PayloadCode


#: In each list the cause stands before what follows from it; the first that is found is the diagnosis.
STDERR: Sequence[Sign] = (
    Sign(rb"can't connect to CDB database", PayloadCode.NO_CALIBRATION_DB),
    Sign(rb"_LEDinSpills empty string from calib file", PayloadCode.EMPTY_CALIBRATION),
    Sign(rb"Exception in readCalibration\(\).*bad line", PayloadCode.BAD_CALIBRATION_LINE),
    Sign(rb"TLattice::TLattice: Cannot Allocate \d+ Bytes in Memory!", PayloadCode.CANNOT_ALLOCATE),
    Sign(rb"DaqEventsManager::GetEvent\(\): no event", PayloadCode.NO_EVENTS),
    Sign(rb"\(core dumped\).*coral\.exe|coral\.exe.*\(core dumped\)", PayloadCode.CORE_DUMP),
    Sign(rb"\bKilled\b.*coral\.exe|coral\.exe.*\bKilled\b", PayloadCode.KILLED),
    Sign(rb"Aborted ", PayloadCode.ABORTED),
)
STDOUT: Sequence[Sign] = (
    Sign(rb"A FATAL ERROR APPEARED", PayloadCode.FATAL_ERROR),
    Sign(rb"Abnormal job termination\. Exception #2 had been caught", PayloadCode.ABNORMAL_END),
    Sign(rb"CORAL exiting with return code -3", PayloadCode.CORAL_EXIT_3),
)

END_OF_JOB = b"End of Job"
END_OF_DECODING = b"End of the decoding!"
#: The word of ``processingType`` for filtering the detectors' data; only the experiment's real system has such jobs.
DDD_FILTERING = "ddd"

#: What a program prints last when it has done its work; one that does not has failed, whatever its exit status.
MARKERS: Mapping[str, bytes] = {
    ProcessingType.RECONSTRUCTION.value: END_OF_JOB,
    ProcessingType.MERGE_MDST.value: END_OF_JOB,
    ProcessingType.MERGE_HISTOGRAMS.value: END_OF_JOB,
    ProcessingType.MERGE_DUMP.value: END_OF_JOB,
    DDD_FILTERING: END_OF_DECODING,
}

#: The pilot's own number for some of them; `PAYLOAD_FAILED` for the rest.
_ERROR_CODES = {
    PayloadCode.CORE_DUMP: ErrorCode.CORE_DUMP,
    PayloadCode.CANNOT_ALLOCATE: ErrorCode.BAD_ALLOC,
    PayloadCode.KILLED: ErrorCode.PAYLOAD_SIGNALLED,
}


def diagnose(spec: JobSpec, outcome: PayloadOutcome) -> Optional[Problem]:
    """Say what a COMPASS program says of its failure; ``None`` when it says nothing.

    A missing end-of-job marker is a failure of its own only where the exit status tells of none.
    """
    found = first_sign(outcome.stderr, STDERR) or first_sign(outcome.stdout, STDOUT)
    if found is not None:
        code, line = found
        return problem(code, line)
    marker = MARKERS.get(spec.processing_type)
    if outcome.well and marker is not None and not _holds(outcome.stdout, marker):
        return problem(PayloadCode.NO_END_OF_JOB, marker.decode())
    return None


def problem(code: PayloadCode, said: str) -> Problem:
    """Put a payload code into words, with the text that it was read from or misses."""
    meaning = MEANINGS[code]
    detail = f"{meaning.words} ({int(code)}): {said}"
    return Problem(_ERROR_CODES.get(code, ErrorCode.PAYLOAD_FAILED), detail, int(code))


def first_sign(path: Path, signs: Sequence[Sign]) -> Optional[tuple[PayloadCode, str]]:
    """Answer the first of the signs (not: of the lines) that a file holds, and the line it stands in."""
    patterns = [re.compile(sign.pattern) for sign in signs]
    line = ""
    for block in blocks_of_lines(path):
        for rank, pattern in enumerate(patterns):
            if found := pattern.search(block):
                line = _line_around(block, found)
                del patterns[rank:]
                break
    return (signs[len(patterns)].code, line) if line else None


def _line_around(block: bytes, found: re.Match[bytes]) -> str:
    start, end = block.rfind(b"\n", 0, found.start()) + 1, block.find(b"\n", found.end())
    line = block[start : end if end >= 0 else len(block)].decode("utf-8", "replace")
    text = "".join(c if c.isprintable() else " " for c in line).strip()
    return text if len(text) <= 200 else text[:197] + "..."


def _holds(path: Path, marker: bytes) -> bool:
    return any(marker in block for block in blocks_of_lines(path))
