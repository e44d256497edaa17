"""What must survive a crash of the pilot: one small file per job, and one for a request that has no answer yet.

A file is replaced as a whole, so a crash leaves the old text or the new one. What the server must hear exactly once,
the final report, is forced to the disk as well; the rest survives the pilot's death but perhaps not the node's.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.messages import StoredFile
from pilot.errors import PilotError

log = logging.getLogger(__name__)

_REQUEST = "request.json"


class JournalUnusable(PilotError):
    """The journal cannot be written; the disk is full, most often."""

    code = ErrorCode.JOURNAL_UNUSABLE


@dataclass(frozen=True)
class Record:
    """One attempt as the journal knows it. ``started`` is seconds since 1970, ``final`` the final report's text.

    ``server`` names whom the job belongs to: pilots of several servers may share a disk.
    """

    id: int
    attempt: int
    server: str
    queue: str
    phase: str
    started: float
    request_id: str = ""
    problem: str = ""
    stored: tuple[StoredFile, ...] = ()
    final: str = ""

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Record:
        """Read what `dataclasses.asdict` wrote."""
        return cls(**{**found, "stored": tuple(StoredFile(**file) for file in found["stored"])})


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

    def answered(self) -> None:
        """Note that the request was answered, and its jobs are written down."""
        self._remove(self.folder / _REQUEST)

    def records(self) -> Iterator[Record]:
        """Read every job's record. One that cannot be read is named in the log, and keeps no other back."""
        for path in self._files():
            try:
                yield Record.from_dict(json.loads(path.read_bytes()))
            except (OSError, ValueError, TypeError, KeyError) as wrong:
                log.error("%s: this record cannot be read, its job is left to the server: %s", path, wrong)

    def holds_jobs(self) -> bool:
        """Say whether there is any job's record, readable or not."""
        return bool(self._files())

    def open_request(self, server: str, queue: str) -> Optional[str]:
        """Answer the id of a request for work in a queue that was sent, and perhaps not answered."""
        try:
            found = json.loads((self.folder / _REQUEST).read_bytes())
            ours = found["server"] == server and found["queue"] == queue
            request_id = str(found["request_id"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return request_id if ours and request_id not in {record.request_id for record in self.records()} else None

    def request_since(self) -> float:
        """Answer when the request without an answer was sent, in seconds since 1970; 0.0 when there is none."""
        try:
            return (self.folder / _REQUEST).stat().st_mtime
        except OSError:
            return 0.0

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
        return self.folder / f"{job_id}-{attempt}.json"

    def _replace(self, path: Path, content: Mapping[str, Any], durable: bool) -> None:
        new = path.with_suffix(".new")
        try:
            with new.open("w", encoding="utf-8") as file:
                json.dump(content, file)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            new.replace(path)
            if durable:
                _force(self.folder)
        except OSError as wrong:
            raise JournalUnusable(f"{path}: {wrong}") from wrong

    @staticmethod
    def _remove(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as wrong:
            raise JournalUnusable(f"{path}: {wrong}") from wrong


def _force(folder: Path) -> None:
    """Force a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
