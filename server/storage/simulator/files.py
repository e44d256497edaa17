"""Moving a file between disk and tape, at a drive's speed; a file is under its name when it is whole."""

from __future__ import annotations

import os
import threading
import time
import zlib
from pathlib import Path

BLOCK = 2**18
#: Where a file's link on the disk leads while it is only on tape: nowhere.
NOWHERE = "/nowhere/on-tape-only"


class Interrupted(Exception):
    """The robot ends."""


def copy(source: Path, target: Path, passing: Path, rate: float, stop: threading.Event) -> None:
    """Copy a file at so many bytes per second, by way of a folder where it is not seen.

    Raises:
        Interrupted: the robot ends; nothing is left.
        OSError: it could not be read or written.
    """
    part = passing / f"{zlib.crc32(str(target).encode()):08x}-{threading.get_ident()}"
    begun, moved = time.monotonic(), 0
    try:
        with source.open("rb") as reader, part.open("wb") as writer:
            while block := reader.read(BLOCK):
                writer.write(block)
                moved += len(block)
                if stop.wait(max(0.0, begun + moved / rate - time.monotonic())):
                    raise Interrupted
            writer.flush()
            os.fsync(writer.fileno())
            times = os.fstat(reader.fileno())
        os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
        part.chmod(0o644)
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def leave_on_tape(disk: Path, tape: Path, passing: Path) -> bool:
    """Replace a file on disk by a link to nowhere, if the tape has it as it is; say whether that was so.

    XRootD lists the link by its name, and asks for the file behind it elsewhere.
    """
    if not is_same(disk, tape):
        return False
    link = passing / f"{zlib.crc32(str(disk).encode()):08x}-link"
    link.unlink(missing_ok=True)
    link.symlink_to(NOWHERE)
    link.replace(disk)
    return True


def is_same(disk: Path, tape: Path) -> bool:
    """Say whether a file on disk is the one on tape: it is written anew under its old name when it is not."""
    try:
        here, there = disk.stat(), tape.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (here.st_size, here.st_mtime_ns) == (there.st_size, there.st_mtime_ns)
