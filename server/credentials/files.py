"""Reads a credential from a file that somebody else renews; it has to be its owner's alone."""

from __future__ import annotations

import os
import stat

from server.credentials.proofs import MOST


class FileRefused(Exception):
    """A file cannot be used; the words say why, and hold nothing of what is in it."""


def read(path: str) -> str:
    """Read the file anew.

    Raises:
        FileRefused: it is not there, is not this user's alone, is too large or is no text.
    """
    if not path.startswith("/"):
        raise FileRefused("path: it has to be absolute")
    try:
        # Looked at and read by one descriptor, so that nobody exchanges it between.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            _refuse_shared(path, os.fstat(file.fileno()))
            text = file.read(MOST + 1)
    except OSError as wrong:
        raise FileRefused(f"{path}: {wrong.strerror}") from None
    if len(text) > MOST:
        raise FileRefused(f"{path} has more than {MOST} bytes")
    try:
        return text.decode("ascii").strip()
    except UnicodeDecodeError:
        raise FileRefused(f"{path} is no text") from None


def _refuse_shared(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise FileRefused(f"{path} is no file")
    if found.st_uid != os.geteuid():
        raise FileRefused(f"{path} is another user's; it has to be the server's own")
    if found.st_mode & 0o077:
        raise FileRefused(f"others may read {path}; run: chmod 600 {path}")
