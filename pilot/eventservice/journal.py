"""What must survive the pilot's death about a job's event ranges: one line of JSON for each thing that happened.

A line is written before what it says has an effect. It lies in the job's directory, so that it goes where that goes; a
payload could write there too, and so nothing in it is taken for more than this payload's own word.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pilot.contract.codes import ErrorCode
from pilot.contract.events import JOURNAL_FILE
from pilot.errors import JobFailed
from pilot.runtime.workdir import clear, read_own, write_new

log = logging.getLogger(__name__)

#: No journal has more bytes; a line has about 300.
LARGEST = 2**28


class Journal:
    """Written by one thread. ``again``: it is another pilot's, and goes on."""

    def __init__(self, folder: Path, *, again: bool = False) -> None:
        self._path = folder / JOURNAL_FILE
        try:
            self._file = _reopen(self._path) if again else write_new(self._path)
        except OSError as wrong:
            raise JobFailed(ErrorCode.JOURNAL_UNUSABLE, f"{self._path}: {wrong.strerror}") from wrong

    def note(self, line: Mapping[str, Any]) -> None:
        """Write one line, whole or not at all for whoever reads it.

        Raises:
            JobFailed: it cannot be written (JOURNAL_UNUSABLE).
        """
        said = json.dumps(line).encode() + b"\n"
        try:
            written = os.write(self._file.fileno(), said)
        except OSError as wrong:
            raise JobFailed(ErrorCode.JOURNAL_UNUSABLE, f"{self._path}: {wrong.strerror}") from wrong
        if written < len(said):  # a disk that is almost full takes a part, and says nothing
            raise JobFailed(ErrorCode.JOURNAL_UNUSABLE, f"{self._path}: no room for a whole line")

    def close(self) -> None:
        """Write no more."""
        self._file.close()


def _reopen(path: Path) -> IO[bytes]:
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC), "ab")
    file.write(b"\n")  # its writer may have died within a line
    file.flush()
    return file


def lines(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Read a journal; what cannot be read, such as half a line at its end, is passed over.

    Raises:
        OSError, ValueError: there is none, or what lies there is no file of a pilot.
    """
    for line in read_own(folder / JOURNAL_FILE, LARGEST).split(b"\n"):
        try:
            found = json.loads(line) if line else None
        except (ValueError, RecursionError):
            log.warning("%s: %r is passed over", folder / JOURNAL_FILE, line[:100])
            continue
        if isinstance(found, Mapping):
            yield found


def forget(folder: Path) -> None:
    """Remove a journal that has no more to say, or whatever a payload has put in its place."""
    with contextlib.suppress(OSError):  # read again, it says no more than before
        clear(folder / JOURNAL_FILE)
