"""Reads a credential from a file that somebody else renews; it has to be its owner's alone."""

from __future__ import annotations

import os

from server.credentials.proofs import MOST
from server.lib.short_files import NoShortText, read_short


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
        return read_short(path, most=MOST, check=lambda found: _refuse_shared(path, found))
    except OSError as wrong:
        raise FileRefused(f"{path}: {wrong.strerror}") from None
    except NoShortText as wrong:
        raise FileRefused(f"{path} {wrong}") from None


def _refuse_shared(path: str, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise FileRefused(f"{path} is another user's; it has to be the server's own")
    if found.st_mode & 0o077:
        raise FileRefused(f"others may read {path}; run: chmod 600 {path}")
