"""A file on its way: written beside its place as it comes, and hashed meanwhile; what was broken off is swept away."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType

from server.lib.processes import is_dead, own_name

#: How parts begin; no file may be called so.
_PART = ".part-"
#: After that time a part is removed, whoever wrote it.
_LEFT_OVER = timedelta(days=1)

_GZIP = b"\x1f\x8b\x08"
#: Bytes of the smallest gzip file: a header of 10 and a trailer of 8.
_SMALLEST = 18
_PACKED = (".gz", ".tgz")


class UploadRefused(ValueError):
    """A file is not taken; the text says why."""


class Part:
    """A file that is being received; without ``keep`` nothing is left of it. A killed process's is swept."""

    def __init__(self, folder: Path, name: str, *, limit: int, room: int, no_room: str) -> None:
        """Begin a file.

        Args:
            folder: Where it will lie.
            name: What it will be called.
            limit: Bytes that a file of this name may have.
            room: Bytes that may still come, whatever its limit.
            no_room: What is told when they do not suffice.
        """
        self.name, self.size, self._digest = name, 0, hashlib.sha256()
        self._limit, self._room, self._no_room = limit, room, no_room
        self._head, self._tail = b"", b""
        self._path = folder / f"{_PART}{uuid.uuid4().hex}-{own_name()}"
        self._file = self._path.open("xb")

    def __enter__(self) -> Part:
        return self

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None) -> None:
        # What could not be written cannot be at the end either: its reason has been told, and nothing is to be left.
        with contextlib.suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        """Take what comes next.

        Raises:
            UploadRefused: it is more than may come.
        """
        self.size += len(chunk)
        if self.size > self._limit:
            raise UploadRefused(f"{self.name}: more than {self._limit} bytes; a file of this name may not have more")
        if self.size > self._room:
            raise UploadRefused(self._no_room)
        try:
            self._file.write(chunk)
        except OSError as wrong:
            raise self._unwritten(wrong) from wrong
        self._digest.update(chunk)
        self._head, self._tail = (self._head + chunk[:3])[:3], (self._tail + chunk[-8:])[-8:]

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def crc(self) -> int | None:
        """Answer the CRC-32 that a gzip file ends with, by which PanDA's clients find it again."""
        return int.from_bytes(self._tail[:4], "little") if self._is_gzip else None

    @property
    def _is_gzip(self) -> bool:
        return self._head == _GZIP and self.size >= _SMALLEST

    def check(self) -> None:
        """Refuse what is not what its name says.

        Raises:
            UploadRefused: it is called as packed files are, and is not packed.
        """
        if self.name.endswith(_PACKED) and not self._is_gzip:
            raise UploadRefused(f"{self.name}: it is called as gzip files are, and is none; send it again, or pack it")

    def place(self, path: Path) -> None:
        """Give the file its name, in one step; what is in it is on the disk before.

        Raises:
            UploadRefused: its end, which waited in memory, cannot be written.
        """
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._path.replace(path)
        except OSError as wrong:
            raise self._unwritten(wrong) from wrong

    def _unwritten(self, wrong: OSError) -> UploadRefused:
        return UploadRefused(f"{self.name}: the server cannot write it: {wrong.strerror}; try again later")


def sweep(folder: Path, now: datetime) -> int:
    """Remove parts whose process has died, and old ones; answer how many."""
    swept = 0
    for path in folder.glob(f"{_PART}*"):
        if is_dead(path.name[len(_PART) + 33 :]) or _is_older(path, now - _LEFT_OVER):
            path.unlink(missing_ok=True)
            swept += 1
    return swept


def _is_older(part: Path, than: datetime) -> bool:
    try:
        return part.stat().st_mtime < than.timestamp()
    except FileNotFoundError:  # it was received just now, and has its name
        return False
