"""What became of each try to copy a job's files: noted in the job's directory, summed up for reports and for its log.

The note outlives the pilot: whoever takes the job over tells of all tries. A payload could write into it, and would
only spoil what is told of its own job.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, Callable

from pilot.contract.messages import JobUpdate
from pilot.copytool.base import FailureKind
from pilot.copytool.trace import Trace, told
from pilot.runtime.workdir import OWN_BEGINNING, read_own, write_new

log = logging.getLogger(__name__)

#: One line of JSON for each try, in the order in which they ended.
NOTE = f"{OWN_BEGINNING}transfers.jsonl"
#: The member of a log archive.
MEMBER = "transfers.json"
#: No note has more bytes, or is read any further.
LARGEST = 2**26
#: Of more tries than these a report tells the last ones; all of them are in the log.
MOST_TOLD = 500

_CORRUPTED = (FailureKind.CHECKSUM.value, FailureKind.SIZE.value)
#: A try as it is written down: the fields of `pilot.copytool.trace.Trace` that say something.
Tries = Sequence[Mapping[str, Any]]


def note(folder: Path, trace: Trace) -> None:
    """Write a try down; that it cannot be is no reason for a job to fail."""
    line = json.dumps(told(trace)).encode() + b"\n"
    try:
        descriptor = os.open(
            folder / NOTE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(descriptor, "ab", 0) as file:
            file.write(line)
    except OSError as wrong:
        log.warning("%s: %s", folder / NOTE, wrong.strerror)


def noted(folder: Path) -> Tries:
    """Answer all tries that were written down; what is no try is passed over."""
    with contextlib.suppress(OSError):
        return tuple(_read(read_own(folder / NOTE, LARGEST).splitlines()))
    return ()


def _read(lines: Iterable[bytes]) -> Iterable[Mapping[str, Any]]:
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(line, parse_constant=_refuse)
            if isinstance(found, dict) and _is_try(found):
                yield found


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _is_try(found: Mapping[str, Any]) -> bool:
    """Say whether every field is one of a trace, and of its kind."""
    kinds = {spec.name: type(spec.default) if spec.default is not MISSING else str for spec in fields(Trace)}
    told_well = all(name in kinds and isinstance(value, _taken_for(kinds[name])) for name, value in found.items())
    return told_well and {"lfn", "direction"} <= found.keys()


def _taken_for(kind: type) -> tuple[type, ...]:
    return (int, float) if kind is float else (kind,)


def add_to_log(folder: Path) -> None:
    """Write the tries where the log archive takes them from."""
    if tries := noted(folder):
        try:
            with write_new(folder / MEMBER) as file:
                file.write(json.dumps(tries, indent=1).encode())
        except OSError as wrong:
            log.warning("%s: %s", folder / MEMBER, wrong.strerror)


def metrics(tries: Tries) -> Mapping[str, Any]:
    """Sum tries up in words for PanDA's ``jobMetrics``: files, bytes and seconds each way, and what came to nothing."""
    said: dict[str, Any] = {}
    for direction, name in (("in", "In"), ("out", "Out")):
        well = [one for one in tries if one["direction"] == direction and not _failed(one) and not one.get("direct")]
        if well:
            said[f"files{name}"] = len(well)
            said[f"bytes{name}"] = sum(one.get("size", 0) for one in well)
            said[f"seconds{name}"] = round(sum(one.get("copying", 0) + one.get("verifying", 0) for one in well), 2)
    if direct := sum(1 for one in tries if one.get("direct") and not _failed(one)):
        said["filesDirect"] = direct
    if failed := sum(map(_failed, tries)):
        said["failedCopies"] = failed
    return said


def onto(update: JobUpdate, tries: Tries, mask: Callable[[str], str], *, ours: bool) -> JobUpdate:
    """Answer a final report that tells of the tries: in numbers to any server, one by one to one of ours."""
    summed = " ".join(f"{name}={value}" for name, value in metrics(tries).items())
    words = elsewhere(tries) if not update.pilot_error else ""
    return replace(
        update,
        metrics=" ".join(filter(None, (update.metrics, summed))) or None,
        pilot_error_words=update.pilot_error_words or words,
        corrupted_files=",".join(corrupted(tries)) or None,
        transfers=mask(json.dumps(tries[-MOST_TOLD:], separators=(",", ":"))) if ours else None,
    )


def corrupted(tries: Tries) -> list[str]:
    """Answer the inputs of which no replica was what is registered, for PanDA's ``corruptedFiles``."""
    incoming = [one for one in tries if one["direction"] == "in"]
    well = {one["lfn"] for one in incoming if not _failed(one)}
    return sorted({one["lfn"] for one in incoming if one.get("kind") in _CORRUPTED} - well)


def elsewhere(tries: Tries) -> str:
    """Say which outputs lie on another storage than they should; "" when none does."""
    first: dict[str, str] = {}
    moved = []
    for one in tries:
        lfn, endpoint = one["lfn"], one.get("endpoint", "")
        if one["direction"] == "out" and first.setdefault(lfn, endpoint) != endpoint and not _failed(one):
            moved.append(f"{lfn} at {endpoint} instead of {first[lfn]}")
    return f"stored elsewhere: {', '.join(moved)}" if moved else ""


def _failed(one: Mapping[str, Any]) -> bool:
    return bool(one.get("kind") or one.get("error"))
