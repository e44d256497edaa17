"""What is written down of an allocation, so that whichever pilot comes next brings its jobs to their end.

An allocation has a folder in that of its pilot, with a record; the directory of each of its jobs holds a note that
names the folder and the job's line. A record is written before anything is done that it tells of.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, Optional

from pilot.hpc import report, worklist
from pilot.hpc.report import RankReport
from pilot.runtime.workdir import ALLOCATED, read_own, write_new

#: How the folder of an allocation begins, and the names of its record, and of the report in a job's own directory.
FOLDER = "allocation-"
RECORD, REPORT = "allocation.json", ".compass-rank-report.json"
#: No record is longer, in bytes.
LARGEST = 2**24
#: What reading raises of a file that is away, or that a payload has forged.
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError)


class Stage(str, Enum):
    """How far an allocation has come."""

    PLANNED = "planned"
    SUBMITTING = "submitting"  # the batch system is being asked, or was when the pilot died
    STARTED = "started"  # here, by this pilot: it ends with it
    SUBMITTED = "submitted"
    OVER = "over"


class Record(NamedTuple):
    """One allocation: ``keys`` are its jobs by line, ``cores`` those of each rank, ``made`` is seconds since 1970.

    ``number`` is the batch system's; ``batch`` says by which one it is had: slurm, or resource:name for a plugin's.
    """

    name: str
    stage: Stage
    made: float
    keys: tuple[tuple[int, int], ...]
    number: str = ""
    cores: int = 1
    batch: str = ""

    @property
    def outlives(self) -> bool:
        """Whether it goes on when its pilot has died."""
        return self.stage in (Stage.SUBMITTING, Stage.SUBMITTED)


class Note(NamedTuple):
    """Where a job's payload was to run."""

    folder: Path
    line: int


def write(folder: Path, record: Record) -> None:
    """Write a record down for good.

    Raises:
        OSError: it cannot be written.
    """
    _replace(folder / RECORD, {**record._asdict(), "stage": record.stage.value})


def read(folder: Path) -> Optional[Record]:
    """Read an allocation's record; ``None`` when there is none that can be understood."""
    with contextlib.suppress(*_UNREADABLE):
        found = json.loads(read_own(folder / RECORD, LARGEST))
        keys = tuple((int(job), int(attempt)) for job, attempt in found["keys"])
        return Record(
            str(found["name"]),
            Stage(found["stage"]),
            float(found["made"]),
            keys,
            str(found["number"]),
            int(found["cores"]),
            str(found["batch"]),
        )
    return None


def write_note(place: Path, note: Note) -> None:
    """Note in a job's directory where its payload is to run.

    Raises:
        OSError: it cannot be written.
    """
    _replace(place / ALLOCATED, {"folder": str(note.folder), "line": note.line})


def read_note(place: Path) -> Optional[Note]:
    """Read where a job's payload was to run; ``None``: in no allocation."""
    with contextlib.suppress(*_UNREADABLE):
        found = json.loads(read_own(place / ALLOCATED, LARGEST))
        return Note(Path(found["folder"]), int(found["line"]))
    return None


def allocations(own: Path) -> Iterator[Path]:
    """Answer the folders of a pilot's allocations."""
    return own.glob(f"{FOLDER}*")


def report_of(folder: Path, line: int, key: tuple[int, int]) -> Optional[RankReport]:
    """Read what a rank has left of a line."""
    return report.read(folder / worklist.REPORTS / f"{line}.json", key)


class Left(str, Enum):
    """What a dead pilot has left of a job's payload."""

    NOTHING = "nothing"  # it was in no allocation
    REPORTED = "reported"
    RUNNING = "running"  # it may run, or be about to
    LOST = "lost"


def left(place: Path, key: tuple[int, int]) -> Left:
    """Say what is left of a job's payload. A rank's report is brought into the job's directory: that may be moved then.

    Raises:
        OSError: it cannot be brought there.
    """
    note = read_note(place)
    if note is None:
        return Left.NOTHING
    if (found := report_of(note.folder, note.line, key)) is not None:
        report.write(place / REPORT, found)
    if report.read(place / REPORT, key) is not None:
        return Left.REPORTED
    record = read(note.folder)
    return Left.RUNNING if record is not None and record.outlives else Left.LOST


def brought(place: Path, key: tuple[int, int]) -> Optional[RankReport]:
    """Read the report that `left` has brought into a job's directory."""
    return report.read(place / REPORT, key)


def _replace(path: Path, content: dict[str, Any]) -> None:
    new = path.with_name(f"{path.name}.new")
    with write_new(new) as file:
        file.write(json.dumps(content).encode())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
