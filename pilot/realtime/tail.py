"""Follows one file, line by line. What was not sent is read again: the file itself is the store."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO, Callable, NamedTuple, Optional

from pilot.realtime.records import Lines

#: What is read at once, and what a line may be long before its beginning is sent without its end, in bytes.
READ = 256 * 1024
#: Lines that are sent at once.
MOST_LINES = 1000
_NEWLINE = b"\n"


def may_be_shared(descriptor: int) -> bool:
    """Say whether a file may be written on another machine, of which this kernel does not tell.

    Disks of this machine have a device number of their own kind; network file systems, and some others, have not.
    """
    return os.major(os.fstat(descriptor).st_dev) == 0


class Piece(NamedTuple):
    """Lines that were read, and where the file goes on after them."""

    lines: Lines
    end: int


class Tail:
    """``root`` is the job's directory, ``name`` the file's in it.

    ``open_file`` opens what a payload may have put there, or raises `OSError`. A file that is more than ``behind``
    bytes ahead loses its older lines, and they are counted.
    """

    def __init__(self, root: Path, name: str, behind: int, open_file: Callable[[Path], IO[bytes]]) -> None:
        self.path, self.name = root / name, name
        self._root, self._behind, self._open = root, behind, open_file
        self._file: Optional[IO[bytes]] = None
        self._at, self._sequence, self._dropped, self.lost = 0, 1, 0, 0

    @property
    def opened(self) -> Optional[Path]:
        """A path to the file that was opened, whatever lies at its name now; ``None`` before it was there."""
        return None if self._file is None else Path(f"/proc/self/fd/{self._file.fileno()}")

    def read(self, *, ended: bool = False) -> Optional[Piece]:
        """Answer the next lines; ``None`` when there are none. Nobody writes any more when it has ``ended``."""
        if self._file is None and not self._begin():
            return None
        size = self._size()
        if size < self._at:  # somebody has emptied it
            self._at = 0
        if size - self._at > self._behind:
            self._skip(size - self._behind // 2)
        content = self._content(self._at, min(READ, size - self._at))
        whole = _whole(content, ended=ended)
        if not whole:
            return None
        texts = whole.decode("utf-8", "replace").split("\n")
        if whole.endswith(_NEWLINE):
            texts.pop()
        shown = [text.rstrip("\r") for text in texts]
        return Piece(Lines(self.name, self._sequence, shown, self._dropped), self._at + len(whole))

    def sent(self, piece: Piece) -> None:
        """Go on behind what was taken."""
        self._at, self._sequence, self._dropped = piece.end, piece.lines.first + len(piece.lines.texts), 0

    def refused(self, piece: Piece) -> None:
        """Go on behind what will never be taken."""
        count = len(piece.lines.texts)
        self.sent(piece)
        self._dropped, self.lost = self._dropped + count, self.lost + count

    def left(self) -> int:
        """Answer how many bytes were not sent."""
        return max(0, self._size() - self._at) if self._file else 0

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> bool:
        try:
            file = self._open(self.path)
        except OSError:
            return False
        place = Path(f"/proc/self/fd/{file.fileno()}").readlink()
        if self._root.resolve() not in place.parents:  # a folder on the way leads out of the job's directory
            file.close()
            return False
        self._file = file
        return True

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size if self._file else 0

    def _content(self, at: int, most: int) -> bytes:
        return os.pread(self._file.fileno(), most, at) if self._file else b""

    def _past_hole(self, to: int) -> int:
        """Answer where there is something to read, from where we are on; to read through a hole may take hours."""
        try:
            return min(os.lseek(self._file.fileno(), self._at, os.SEEK_DATA), to) if self._file else to
        except OSError as wrong:
            return to if wrong.errno == errno.ENXIO else self._at  # nothing more; or holes are not known here

    def _skip(self, to: int) -> None:
        """Leave out what is older, up to the end of a line; count it, and a line that is begun as one."""
        dropped, begun = 0, False
        while self._at < to:
            if (past := self._past_hole(to)) > self._at:
                self._at, begun = past, True
            elif content := self._content(self._at, 1 << 20):
                if self._at + len(content) > to:
                    content = content[: content.find(_NEWLINE, to - self._at) + 1 or to - self._at]
                dropped, begun = dropped + content.count(_NEWLINE), not content.endswith(_NEWLINE)
                self._at += len(content)
            else:
                break
        dropped += begun
        self._sequence, self._dropped, self.lost = (
            self._sequence + dropped,
            self._dropped + dropped,
            self.lost + dropped,
        )


def _whole(content: bytes, *, ended: bool) -> bytes:
    """Answer the lines that are whole, not too many; of one that does not end, what there is of it."""
    end = content.rfind(_NEWLINE) + 1
    if not end and (ended or len(content) >= READ):
        end = len(content) if len(content) < READ else _letter_end(content)
    elif ended and len(content) < READ:
        end = len(content)
    whole = content[:end]
    if whole.count(_NEWLINE) > MOST_LINES:
        end = 0
        for _ in range(MOST_LINES):
            end = whole.index(_NEWLINE, end) + 1
    return whole[:end]


def _letter_end(content: bytes) -> int:
    """Answer where the last whole letter ends; one of several bytes is not cut."""
    for back in range(1, 5):
        byte = content[-back]
        if byte >= 0xC0:
            whole = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(content) - back if back < whole else len(content)
        if byte < 0x80:
            break
    return len(content)
