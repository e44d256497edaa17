"""The last words of a payload: from the end of its files, however long they are, and without secrets."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Callable

#: What is read of a file's end, in bytes: far more than is shown, so that no secret is cut before it is masked.
READ = 65536
#: What a server takes of it, in characters, and the lines of it that a heartbeat carries.
SHOWN = 2048
LINES = 20
#: Such a part of a secret is masked too where a text begins or ends with it, in characters.
PART = 8
STARS = "*" * 8


def open_file(path: Path) -> IO[bytes]:
    """Open a file that a payload may have put there. Links are not followed, and no pipe is waited for.

    Raises:
        OSError: it is no file, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", str(path))
    return os.fdopen(descriptor, "rb")


def read_end(file: IO[bytes], most: int = READ) -> str:
    """Answer the text at the end of an open file."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - most))
    return file.read(most).decode("utf-8", "replace")


def end_of(path: Path, most: int = READ) -> str:
    """Answer the text at a file's end; none of what is no file or cannot be read."""
    try:
        with open_file(path) as file:
            return read_end(file, most)
    except OSError:
        return ""


def last_lines(text: str, count: int = LINES, most: int = READ) -> str:
    """Answer the last lines of a text, no more than so many characters. It is cut further once it is masked."""
    return "\n".join(text.splitlines()[-count:])[-most:]


def last_words(stdout: Path, stderr: Path) -> str:
    """Answer how a payload's error output ended; its output's end when it wrote no errors."""
    return end_of(stderr).strip() or end_of(stdout).strip()


def masking(secrets: Callable[[], Sequence[str]]) -> Callable[[str], str]:
    """Make a function that overwrites in a text what nobody may read."""

    def mask(text: str) -> str:
        for secret in secrets():
            if secret:
                text = _without_parts(text.replace(secret, STARS), secret)
        return text

    return mask


def _without_parts(text: str, secret: str) -> str:
    """Mask the part of a secret that is being written just now, or whose beginning was not read.

    The longest that there is. Secrets may be long and lines many: only where a part can begin or end is one looked for.
    """
    if len(secret) <= PART:
        return text
    end = text.find(secret[:PART], max(0, len(text) - len(secret) + 1))
    while end >= 0 and not secret.startswith(text[end:]):
        end = text.find(secret[:PART], end + 1)
    begin = text.rfind(secret[-PART:], 0, len(secret) - 1)
    while begin >= 0 and not secret.endswith(text[: begin + PART]):
        begin = text.rfind(secret[-PART:], 0, begin + PART - 1)
    if begin >= 0 and 0 <= end <= begin + PART:
        return STARS
    text = text if end < 0 else text[:end] + STARS
    return text if begin < 0 else STARS + text[begin + PART :]
