"""Reads files that hold one short text, such as a token: bounded in bytes, and waits for nobody."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable


class NoShortText(Exception):
    """A file does not hold what is wanted; the words say why after its name, and hold nothing of what is in it."""


def _is_good(found: os.stat_result) -> None:
    """Take every file."""


def read_short(path: str, *, most: int, check: Callable[[os.stat_result], None] = _is_good) -> str:
    """Read a file of ASCII, without the blanks around.

    Args:
        path: The file.
        most: Bytes that it may have.
        check: Is told whose the file is that was opened, and may refuse it by an exception of its own.

    Raises:
        NoShortText: it is no file, is too long or is no text.
        OSError: it cannot be opened.
    """
    # Looked at and read by one descriptor, so that nobody exchanges it between; a pipe is not waited for.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise NoShortText("is no file")
        check(found)
        text = file.read(most + 1)
    if len(text) > most:
        raise NoShortText(f"has more than {most} bytes")
    try:
        return text.decode("ascii").strip()
    except UnicodeDecodeError:
        raise NoShortText("is no text") from None
