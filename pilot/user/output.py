"""Reading what a payload wrote, however much it is: in blocks from the beginning, or a little from the end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

BLOCK = 2**20


def open_file(path: Path) -> IO[bytes]:
    """Open what a payload may have put in a file's place; no pipe is waited for.

    Raises:
        OSError: it is no file, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", str(path))
    return os.fdopen(descriptor, "rb")


def blocks_of_lines(path: Path, block: int = BLOCK) -> Iterator[bytes]:
    """Give a file's content in blocks that end where a line ends; nothing for a file that cannot be read.

    A line longer than a block is given in parts.
    """
    try:
        with open_file(path) as file:
            carried = b""
            while read := file.read(block):
                carried += read
                whole = carried.rfind(b"\n") + 1 or (len(carried) if len(carried) >= block else 0)
                if whole:
                    yield carried[:whole]
                carried = carried[whole:]
            if carried:
                yield carried
    except OSError:
        return


def tail(path: Path, most: int) -> bytes:
    """Answer at most so many bytes from a file's end; none of a file that cannot be read."""
    try:
        with open_file(path) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - most))
            return file.read(most)
    except OSError:
        return b""


def last_lines(path: Path, count: int = 3, most: int = 4096) -> str:
    """Answer a file's last lines that are not empty, joined by `` | `` and without control characters."""
    lines = tail(path, most).decode("utf-8", "replace").splitlines()
    said = ["".join(c if c.isprintable() else " " for c in line).strip() for line in lines]
    return " | ".join([line for line in said if line][-count:])
