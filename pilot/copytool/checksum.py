"""Checksums of local files, streamed: adler32 (PanDA's first choice) and md5."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path
from typing import Optional, Protocol, Union

from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind

#: Bytes that are read at a time: what is read, summed up and written has to fit a core's own cache. With a MiB a copy
#: took two to four times the CPU time of this; with four times as much the system now and then takes three times the
#: time for it, to find memory in one piece for what is written (see benchmarks.copytools).
BLOCK = 2**16
ADLER32, MD5 = "adler32", "md5"


class Digest(Protocol):
    def update(self, block: Union[bytes, memoryview], /) -> object: ...

    def hexdigest(self) -> str: ...


class Adler32:
    """`hashlib`'s manner for `zlib.adler32`; eight hex digits, leading zeros kept."""

    def __init__(self) -> None:
        self._value = 1

    def update(self, block: Union[bytes, memoryview], /) -> None:
        self._value = zlib.adler32(block, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def digest(algorithm: str) -> Digest:
    """Start a checksum.

    Raises:
        CopyFailed: no such algorithm is known here.
    """
    if algorithm == ADLER32:
        return Adler32()
    if algorithm == MD5:
        return hashlib.md5(usedforsecurity=False)
    raise CopyFailed(None, f"{algorithm} is not a checksum that can be computed here; adler32 and md5 are")


def of_file(path: Path, algorithm: str, deadline: Deadline, cancel: Optional[Cancel] = None) -> str:
    """Compute a file's checksum, as ``algorithm:hex``.

    Raises:
        OSError: it cannot be read.
        CopyFailed: it took longer than the deadline allows, or the algorithm is unknown.
        CopyCancelled: it was given up.
    """
    sum_ = digest(algorithm)
    with path.open("rb", buffering=0) as file:
        read_ahead(file.fileno())
        buffer = memoryview(bytearray(BLOCK))
        while size := file.readinto(buffer):
            sum_.update(buffer[:size])
            go_on(deadline, cancel)
    return f"{algorithm}:{sum_.hexdigest()}"


def read_ahead(descriptor: int) -> None:
    """Tell the system that a file is read from its beginning to its end, so that the disk need not wait to be asked."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)


def go_on(deadline: Deadline, cancel: Optional[Cancel]) -> None:
    """Give up between two blocks when that was asked for, or when there is no time left."""
    if cancel or deadline.cancel:
        raise CopyCancelled
    if not deadline.left():
        raise CopyFailed(FailureKind.TIMEOUT, "not done within its time")
