"""Why a COMPASS program failed, from what it printed.

Source of the texts and numbers: the experiment's public pilot (read as facts).
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.payload_codes import MEANINGS, PayloadCode
from pilot.job import PayloadOutcome, Problem
from pilot.user.compass.events import written
from pilot.user.compass.kinds import WorkKind, kind_of
from pilot.user.output import blocks_of_lines, last_lines


@dataclass(frozen=True)
class Sign:
    """A text by which a program tells why it fails; ``beside``: in its line there is this text too."""

    pattern: bytes
    code: PayloadCode
    beside: bytes = b""


#: In each list the cause stands before what follows from it; the first that is found is the diagnosis.
STDERR: Sequence[Sign] = (
    Sign(rb"error while loading shared libraries: ", PayloadCode.LIBRARY_MISSING),
    Sign(rb"can't connect to CDB database", PayloadCode.NO_CALIBRATION_DB),
    Sign(rb"Lost connection to MySQL server", PayloadCode.CALIBRATION_DB_LOST),
    Sign(rb"_LEDinSpills empty string from calib file", PayloadCode.EMPTY_CALIBRATION),
    Sign(rb"Exception in readCalibration\(\)", PayloadCode.BAD_CALIBRATION_LINE, beside=b"bad line"),
    Sign(rb"TLattice::TLattice: Cannot Allocate \d+ Bytes in Memory!", PayloadCode.CANNOT_ALLOCATE),
    Sign(rb"Chip::ReadMaps: std::exception", PayloadCode.BAD_MAPS),
    Sign(rb"DaqEventsManager::NextDataSource\(\): Can not open file", PayloadCode.INPUT_NOT_OPENED),
    Sign(rb"Error in <TFile::ReadBuffer>: error reading all requested bytes from file", PayloadCode.INPUT_NOT_READ),
    Sign(rb"DaqEventsManager::GetEvent\(\): no event", PayloadCode.NO_EVENTS),
    Sign(rb"\(core dumped\)", PayloadCode.CORE_DUMP, beside=b"coral.exe"),
    Sign(rb"Killed\b", PayloadCode.KILLED, beside=b"coral.exe"),
    Sign(rb"Aborted ", PayloadCode.ABORTED),
)
STDOUT: Sequence[Sign] = (
    Sign(rb"A FATAL ERROR APPEARED", PayloadCode.FATAL_ERROR),
    Sign(rb"Abnormal job termination\. Exception #2 had been caught", PayloadCode.ABNORMAL_END),
    Sign(rb"CORAL exiting with return code -3", PayloadCode.CORAL_EXIT_3),
)

#: So much of a line is looked at on either side of what was found in it, in bytes.
LONGEST_LINE = 1000

#: The pilot's own number for some of them; `PAYLOAD_FAILED` for the rest.
_ERROR_CODES = {
    PayloadCode.CORE_DUMP: ErrorCode.CORE_DUMP,
    PayloadCode.CANNOT_ALLOCATE: ErrorCode.BAD_ALLOC,
    PayloadCode.KILLED: ErrorCode.PAYLOAD_SIGNALLED,
}


#: What a signal means where no shell is left to put it into words.
_SIGNALS: Mapping[int, PayloadCode] = {
    signal.SIGKILL: PayloadCode.KILLED,
    signal.SIGABRT: PayloadCode.ABORTED,
    **dict.fromkeys((signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL), PayloadCode.CORE_DUMP),
}


def diagnose(spec: JobSpec, outcome: PayloadOutcome) -> Optional[Problem]:
    """Say why a COMPASS program failed; ``None`` when it did not, or says nothing of its own about it.

    What the program says counts first; what the kernel counts (want of memory, limits) was told before. A missing
    end-of-job marker, or a missing file, is a failure of its own only where the exit status tells of none.
    """
    kind = kind_of(spec)
    if kind is None and outcome.well:  # whatever its words mean, they are not the experiment's
        return None
    found = first_sign(outcome.stderr, STDERR) or first_sign(outcome.stdout, STDOUT)
    if found is not None:
        code, line = found
        return problem(code, line)
    if kind is None or outcome.late:
        return None
    return _unfinished(kind, spec, outcome) if outcome.well else _by_signal(outcome)


def _unfinished(kind: WorkKind, spec: JobSpec, outcome: PayloadOutcome) -> Optional[Problem]:
    """Doubt a program that ended well."""
    marker = marker_of(kind, spec)
    if marker is not None and not _holds(outcome.stdout, marker):
        return problem(PayloadCode.NO_END_OF_JOB, marker.decode())
    own = kind.program == spec.transformation
    if own and kind.never_empty and written(outcome.stdout, kind.counted) == 0:
        return problem(PayloadCode.ZERO_EVENTS, "0 events had been written")
    from pilot.user.compass import outputs

    return outputs.missing(kind, spec, outcome.workdir)


def marker_of(kind: WorkKind, spec: JobSpec) -> Optional[bytes]:
    """Answer what a job's program prints last when it has done its work; ``None`` when it prints nothing then."""
    return None if kind.silent and kind.program == spec.transformation else kind.marker


def _by_signal(outcome: PayloadOutcome) -> Optional[Problem]:
    """Put a signal into the experiment's numbers; shells and container runtimes tell one as 128 plus its number."""
    number = outcome.signal if outcome.signal is not None else (outcome.status or 0) - 128
    if number not in _SIGNALS:
        return None
    words = last_lines(outcome.stderr) or last_lines(outcome.stdout) or "it wrote nothing"
    said = f"it was ended by {signal.Signals(number).name}; last words: {words}"
    return problem(_SIGNALS[number], said, ErrorCode.PAYLOAD_SIGNALLED)


def problem(code: PayloadCode, said: str, error: Optional[ErrorCode] = None) -> Problem:
    """Put a payload code into words: what happened, the text that it was read from or misses, what to do."""
    meaning = MEANINGS[code]
    detail = f"{meaning.words} ({int(code)}): {said}; {meaning.advice}"
    return Problem(error or _ERROR_CODES.get(code, ErrorCode.PAYLOAD_FAILED), detail, int(code))


def first_sign(path: Path, signs: Sequence[Sign]) -> Optional[tuple[PayloadCode, str]]:
    """Answer the first of the signs (not: of the lines) that a file holds, and the line it stands in."""
    left, found = list(signs), None
    for block in blocks_of_lines(path):
        for rank, sign in enumerate(left):
            if (line := _line_with(sign, block)) is not None:
                found = sign.code, _text(line)
                del left[rank:]
                break
    return found


def _line_with(sign: Sign, block: bytes) -> Optional[bytes]:
    pattern, at = re.compile(sign.pattern), 0
    while found := pattern.search(block, at):
        start, at = _line_around(block, found)
        if sign.beside in block[start:at]:
            return block[start:at]
    return None


def _line_around(block: bytes, found: re.Match[bytes]) -> tuple[int, int]:
    """Answer from where to where the line reaches in which something was found; of a very long one what is near it."""
    first, last = max(0, found.start() - LONGEST_LINE), min(len(block), found.end() + LONGEST_LINE)
    end = block.find(b"\n", found.end(), last)
    return block.rfind(b"\n", first, found.start()) + 1 or first, end if end >= 0 else last


def _text(line: bytes) -> str:
    text = "".join(c if c.isprintable() else " " for c in line.decode("utf-8", "replace")).strip()
    return text if len(text) <= 200 else text[:197] + "..."


def _holds(path: Path, marker: bytes) -> bool:
    return any(marker in block for block in blocks_of_lines(path))
