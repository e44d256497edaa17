"""What a pilot's batch job has written, where its files lie on this machine: windows of bytes, without secrets.

Only files of known names are read, and only plain ones of the pilot's own directory: no link is followed out of it.
"""

from __future__ import annotations

import os
import re
import stat
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from server.lib.logs import blotted

#: What there may be: the batch job's own output, and what the wrapper leaves when all else fails.
NAMES = ("stdout", "stderr", "last-words")
#: Bytes of one window: usual, and at most.
USUAL, MOST = 65_536, 1_048_576
#: Bytes of one stream, at most.
MOST_STREAMED = 1 << 30
#: So much around a window is looked at with it, so that no part of a secret is shown at its edges.
_AROUND = 16_384
#: What an environment or a configuration that is printed calls so; paths and numbers are none.
_NAMED = re.compile(
    rb"""(?i)(?:token|secret|passw(?:or)?d|passphrase|signature|(?:private|access|api)_?key)["']?\s*[=:]\s*["']?"""
    rb"""(?![/.]|\d+\b|bearer\b|basic\b)([^\s"',;&]{6,})"""
)


class NoLog(Exception):
    """There is no such text, or it is not to be read here; the words say why."""


@dataclass(frozen=True)
class LogFile:
    """One text: its name, its size in bytes, and when it was last written."""

    name: str
    size: int
    changed: datetime

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "changed": self.changed.isoformat()}


@dataclass(frozen=True)
class Window:
    """Bytes ``start`` to ``end`` (without it) of a text of ``size`` bytes, as they were when it was looked at."""

    name: str
    start: int
    end: int
    size: int
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def as_json(self) -> dict[str, Any]:
        """Answer it for programs; a character that its end cuts in two is left to the next window, if there is more."""
        decoder = getincrementaldecoder("utf-8")("replace")
        text, left = decoder.decode(self.content, self.end == self.size), len(decoder.getstate()[0])
        if not text:
            text, left = self.text, 0
        return {"name": self.name, "start": self.start, "end": self.end - left, "size": self.size, "text": text}


def log_files(directory: str) -> list[LogFile]:
    """Answer which texts there are; none where the directory is not on this machine, or is gone."""
    found = []
    for name in NAMES:
        try:
            with _opened(directory, name) as door:
                facts = os.fstat(door)
        except NoLog:
            continue
        found.append(LogFile(name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC)))
    return found


def read_log(directory: str, name: str, *, start: int | None = None, length: int = USUAL) -> Window:
    """Read a part of a text.

    Args:
        directory: That of the pilot.
        name: One of `NAMES`.
        start: The first byte; none: so that the window ends with the text.
        length: How many bytes, of which `MOST` are read.

    Raises:
        NoLog: there is no such text here.
    """
    with _opened(directory, name) as door:
        size = os.fstat(door).st_size
        length = max(0, min(length, MOST))
        first = max(0, size - length) if start is None else min(max(start, 0), size)
        last = min(first + length, size)
        begin = max(0, first - _AROUND)
        try:
            around = _without_secrets(os.pread(door, last + _AROUND - begin, begin))
        except OSError as wrong:
            raise NoLog(f"{name} cannot be read: {wrong.strerror}") from wrong
    content = around[first - begin : last - begin]
    return Window(name, first, first + len(content), size, content)


def stream_log(directory: str, name: str) -> Iterator[bytes]:
    """Answer a text as it is now, window by window, at most `MOST_STREAMED` bytes of it.

    Raises:
        NoLog: there is no such text here.
    """
    first = read_log(directory, name, start=0, length=MOST)
    return _windows(directory, first)


def _windows(directory: str, window: Window) -> Iterator[bytes]:
    until = min(window.size, MOST_STREAMED)
    while window.content:
        yield window.content
        if window.end >= until:
            return
        try:
            window = read_log(directory, window.name, start=window.end, length=min(MOST, until - window.end))
        except NoLog:  # it was removed meanwhile
            return


def _without_secrets(content: bytes) -> bytes:
    def blot(found: re.Match[bytes]) -> bytes:
        return found[0][: found.start(1) - found.start()] + b"*" * len(found[1])

    return _NAMED.sub(blot, blotted(content))


@contextmanager
def _opened(directory: str, name: str) -> Iterator[int]:
    """Open a plain file of a directory for reading, and nothing that leads elsewhere."""
    if name not in NAMES:
        raise NoLog(f"{name[:60]!r} is no text of a pilot; there are {', '.join(NAMES)}")
    if not directory:
        raise NoLog("its files have been removed, or its batch system has not said where they are")
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as wrong:
        raise NoLog(f"its directory is not on this machine: {wrong.strerror}") from wrong
    try:
        door = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError as wrong:
        raise NoLog(f"there is no {name}; some batch systems bring it when the pilot has ended") from wrong
    except OSError as wrong:
        raise NoLog(f"{name} cannot be read: {wrong.strerror}") from wrong
    finally:
        os.close(folder)
    try:
        facts = os.fstat(door)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
            raise NoLog(f"{name} is no plain file of its own")
        yield door
    finally:
        os.close(door)
