"""How large a folder is, and whether something in it was written: from walks that read no file, if need be in parts."""

from __future__ import annotations

import fnmatch
import os
import re
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

BLOCK = 512  # what st_blocks counts in, whatever the file system's own blocks are
#: Between so many entries the clock is looked at.
STRIDE = 100


@dataclass(frozen=True)
class Folder:
    """``size`` in bytes that the disk has given, and ``closed``: how many folders may not be looked into.

    ``stamps`` is another number whenever a file was written, made or removed, whatever its time stamp says: the sum of
    all. The newest one would not change as long as one file has a time that is still to come.
    """

    size: int = 0
    files: int = 0
    stamps: int = 0
    closed: int = 0


class Walk:
    """One walk through a folder. What disappears meanwhile is passed over; symbolic links are counted, not followed.

    Args:
        root: The folder.
        quiet: Patterns (``*.log``) of files whose writing is no sign of life.
        lent: Names of files directly in the folder that take no room of it when they have another name elsewhere.
        clock: Counts the seconds.
    """

    def __init__(
        self,
        root: Path,
        quiet: Sequence[str] = (),
        lent: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_quiet = re.compile("|".join(map(fnmatch.translate, quiet)) or "(?!)").match
        self._lent, self._clock = lent, clock
        self._size = self._files = self._stamps = self._closed = 0
        self._seen: set[tuple[int, int]] = set()
        self._entries = self._walk(root)

    def go_on(self, seconds: float) -> Optional[Folder]:
        """Walk for so long at most, or a little more; ``None``: there is more to see, the next time."""
        until = self._clock() + seconds
        for number, (entry, top) in enumerate(self._entries, start=1):
            self._count(entry, top)
            if not number % STRIDE and self._clock() >= until:
                return None
        return Folder(self._size, self._files, self._stamps, self._closed)

    def _count(self, entry: os.DirEntry[str], top: bool) -> None:
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            return
        size = found.st_blocks * BLOCK
        if entry.is_dir(follow_symlinks=False):
            self._size += size
            return
        self._files += 1
        if found.st_nlink > 1:
            if (found.st_dev, found.st_ino) in self._seen or (top and entry.name in self._lent):
                size = 0
            self._seen.add((found.st_dev, found.st_ino))
        self._size += size
        if not self._is_quiet(entry.name):
            self._stamps += found.st_mtime_ns

    def _walk(self, root: Path) -> Iterator[tuple[os.DirEntry[str], bool]]:
        waiting = [str(root)]
        top = True
        while waiting:
            try:
                with os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        yield entry, top
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
            except PermissionError:
                self._closed += 1
            except OSError:
                pass  # removed meanwhile
            top = False
