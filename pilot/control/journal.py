"""What must survive a crash of the pilot: one small file per job, and one for a request that has no answer yet.

A file is replaced as a whole, so a crash leaves the old text or the new one. What the server must hear exactly once,
the final report, is forced to the disk as well; the rest survives the pilot's death but perhaps not the node's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.frozen import Frozen
from pilot.contract.messages import StoredFile
from pilot.errors import PilotError
from pilot.job import PayloadOutcome, Phase, Problem, Usage
from pilot.runtime.workdir import read_own

log = logging.getLogger(__name__)

#: The folder, in that of a pilot.
JOURNAL = "journal"
_REQUEST = "request.json"


#: No record has more bytes.
LARGEST = 2**26
PHASES = frozenset(phase.value for phase in Phase)
#: The last second that a date can be written of, counted from 1970.
LAST_SECOND = 2.5e11

#: Where a payload's files lay is of no use to a successor.
_PLACES = ("workdir", "stdout", "stderr")


def figures_of(outcome: Optional[PayloadOutcome]) -> Optional[dict[str, Any]]:
    """Answer how a payload ended, without where."""
    if outcome is None:
        return None
    return {spec.name: getattr(outcome, spec.name) for spec in dataclasses.fields(outcome) if spec.name not in _PLACES}


def record_name(job_id: int, attempt: int) -> str:
    """Answer the name of an attempt's record."""
    return f"{job_id}-{attempt}.json"


class JournalUnusable(PilotError):
    """The journal cannot be written; the disk is full, most often."""

    code = ErrorCode.JOURNAL_UNUSABLE


class Record(Frozen):
    """One attempt as the journal knows it: all that a successor needs to bring it to its end.

    ``started`` is seconds since 1970, ``spent`` seconds by phase, ``spec`` the job as it came over the wire, ``final``
    the final report's text. ``outcome`` and ``usage`` hold the figures of `pilot.job.PayloadOutcome` and `Usage`.
    ``server`` names whom the job belongs to: pilots of several servers may share a disk. ``node`` is where the payload
    was to run.
    """

    id: int
    attempt: int
    server: str
    queue: str
    phase: str
    started: float
    request_id: str = ""
    spec: str = ""
    problem: Optional[Problem] = None
    outcome: Optional[Mapping[str, Any]] = None
    usage: Optional[Mapping[str, Any]] = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    stored: tuple[StoredFile, ...] = ()
    spent: Mapping[str, float] = field(default_factory=dict)
    final: str = ""
    node: str = ""

    @property
    def key(self) -> tuple[int, int]:
        """(job, attempt)."""
        return self.id, self.attempt

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Record:
        """Read what `dataclasses.asdict` wrote, here or in an older or newer pilot.

        What is read may be used without a further look: each value is of its kind.

        Raises:
            ValueError, TypeError, KeyError: it is no record.
        """
        if not isinstance(found, Mapping):
            raise TypeError("not a JSON object")
        known = {spec.name for spec in dataclasses.fields(cls)}
        read = {name: value for name, value in found.items() if name in known}
        for name, kind in _KINDS.items():
            if not isinstance(read.get(name, kind()), kind):
                raise TypeError(f"{name}: {read[name]!r:.60} is no {kind.__name__}")
        if not 0 <= _number(read["started"], "started") < LAST_SECOND or read["id"] < 1 or read["attempt"] < 0:
            raise ValueError("its number or its time cannot be true")
        for name, kind in (("outcome", PayloadOutcome), ("usage", Usage)):
            if read.get(name) is not None:
                _check_figures(read[name], kind, name)
        spent = found.get("spent", {}).items()
        read["spent"] = {name: _number(seconds, "spent") for name, seconds in spent if name in PHASES}
        read["stored"] = tuple(_stored(file) for file in found["stored"])
        read["problem"] = _problem(found.get("problem"))
        return cls(**read)


_TEXTS = ("server", "queue", "phase", "request_id", "spec", "final", "node")
_KINDS: Mapping[str, Any] = {"id": int, "attempt": int, "metrics": dict, "spent": dict, **dict.fromkeys(_TEXTS, str)}


def _number(value: Any, name: str) -> float:
    if isinstance(value, (int, float)) and math.isfinite(value):
        return value
    raise TypeError(f"{name}: {value!r:.60} is no number")


def _check_figures(found: Any, kind: Any, name: str) -> None:
    """Refuse figures of another kind than the values that are made of them."""
    if not isinstance(found, dict):
        raise TypeError(f"{name}: {found!r:.60} is no JSON object")
    for spec in dataclasses.fields(kind):
        value = found.get(spec.name)
        if spec.name not in found or (value is None and spec.default is dataclasses.MISSING):
            continue
        if dataclasses.is_dataclass(spec.default):
            _check_figures(value, type(spec.default), spec.name)
        elif not isinstance(spec.default, str):
            _number(value, spec.name)
        elif not isinstance(value, str):
            raise TypeError(f"{spec.name}: {value!r:.60} is no text")


def _stored(found: Mapping[str, Any]) -> StoredFile:
    if not isinstance(found["lfn"], str) or not isinstance(found["size"], int):
        raise TypeError(f"stored: {found!r:.60} is no file")
    return StoredFile(**found)


def _problem(found: Any) -> Optional[Problem]:
    if not found:
        return None
    if isinstance(found, str):  # of an older pilot: the code's name and its words
        name, _, detail = found.partition(": ")
        return Problem(ErrorCode[name], detail)
    return Problem(ErrorCode(found["code"]), str(found["detail"]), int(found["payload_code"]))


_UNREADABLE = (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError)


def _read(path: Path) -> Record:
    record = Record.from_dict(json.loads(read_own(path, LARGEST)))
    if record_name(*record.key) != path.name:
        raise ValueError("it speaks of another job")
    return record


class Journal:
    """The journal of one pilot, in a folder of its own. Written by one thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, record: Record, *, durable: bool = False) -> None:
        """Replace a job's record.

        Raises:
            JournalUnusable: it cannot be written; the old record stands.
        """
        self._replace(self._path(record.id, record.attempt), dataclasses.asdict(record), durable)

    def forget(self, job_id: int, attempt: int) -> None:
        """Remove a job's record, if there is one."""
        self._remove(self._path(job_id, attempt))

    def asked(self, request_id: str, server: str, queue: str) -> None:
        """Note that a request for work is about to be sent."""
        asked = {"request_id": request_id, "server": server, "queue": queue}
        self._replace(self.folder / _REQUEST, asked, durable=False)

    def accepted(self, request_id: str, records: Sequence[Record]) -> None:
        """Note all jobs of an answer in one step, before each has its own record: none of them can be lost alone.

        Raises:
            JournalUnusable: it cannot be written; the request stays without an answer.
        """
        said = {"request_id": request_id, "jobs": [dataclasses.asdict(record) for record in records]}
        self._replace(self.folder / _REQUEST, said, durable=False)

    def complete(self) -> None:
        """Give a record to each job of an answer that its pilot died over while it wrote them.

        Raises:
            JournalUnusable: it cannot be written.
        """
        try:
            found = json.loads((self.folder / _REQUEST).read_bytes()).get("jobs", ())
            records = [Record.from_dict(job) for job in found]
        except (*_UNREADABLE, AttributeError):
            return
        for record in records:
            if not self._path(*record.key).exists():
                self.write(record)
        if records:
            self.answered()

    def answered(self) -> None:
        """Note that the request was answered, and its jobs are written down."""
        self._remove(self.folder / _REQUEST)

    def records(self) -> Iterator[Record]:
        """Read every job's record. One that cannot be read is named in the log, and keeps no other back."""
        for path in self._files():
            try:
                yield _read(path)
            except _UNREADABLE as wrong:
                log.error("%s: this record cannot be read, its job is left to the server: %s", path, wrong)

    def holds_jobs(self) -> bool:
        """Say whether there is any job's record, readable or not."""
        return bool(self._files())

    def drop_unreadable(self, before: float) -> None:
        """Remove records that cannot be read and were written before this time, in seconds since 1970.

        Raises:
            JournalUnusable: one cannot be removed.
        """
        for path in self._files():
            if _changed(path) < before:
                try:
                    _read(path)
                except _UNREADABLE:
                    self._remove(path)

    def open_request(self, server: str, queue: str) -> Optional[str]:
        """Answer the id of a request for work in a queue that was sent, and perhaps not answered."""
        try:
            found = json.loads((self.folder / _REQUEST).read_bytes())
            ours = found["server"] == server and found["queue"] == queue
            request_id = str(found["request_id"])
        except _UNREADABLE:
            return None
        return request_id if ours and request_id not in {record.request_id for record in self.records()} else None

    def close_request(self) -> None:
        """Remove a request whose jobs are written down: the pilot died before it could."""
        with contextlib.suppress(*_UNREADABLE):
            asked = json.loads((self.folder / _REQUEST).read_bytes())["request_id"]
            if asked in {record.request_id for record in self.records()}:
                self.answered()

    def request_since(self) -> float:
        """Answer when the request without an answer was sent, in seconds since 1970; 0.0 when there is none."""
        return _changed(self.folder / _REQUEST)

    def hand_over_request(self, to: Journal) -> None:
        """Give the request to another journal on this disk, in one step: it is never in both.

        Raises:
            JournalUnusable: it cannot be done; it stays here.
        """
        try:
            (self.folder / _REQUEST).replace(to.folder / _REQUEST)
        except OSError as wrong:
            raise JournalUnusable(f"{to.folder / _REQUEST}: {wrong}") from wrong

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*-*.json"))

    def _path(self, job_id: int, attempt: int) -> Path:
        return self.folder / record_name(job_id, attempt)

    def _replace(self, path: Path, content: Mapping[str, Any], durable: bool) -> None:
        try:
            write_whole(path, content, durable=durable)
        except OSError as wrong:
            raise JournalUnusable(f"{path}: {wrong}") from wrong

    @staticmethod
    def _remove(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as wrong:
            raise JournalUnusable(f"{path}: {wrong}") from wrong


def _changed(path: Path) -> float:
    """Answer when a file was written, in seconds since 1970; 0.0 when it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def write_whole(path: Path, content: Mapping[str, Any], *, durable: bool) -> None:
    """Replace a file of JSON as a whole. For its owner alone: a job's definition may be nobody else's business.

    Raises:
        OSError: it cannot be written; the old one stands.
    """
    new = path.with_suffix(".new")
    with open(new, "w", encoding="utf-8", opener=_open_private) as file:
        json.dump(content, file, default=str)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    new.replace(path)
    if durable:
        force(path.parent)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def force(folder: Path) -> None:
    """Force a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
