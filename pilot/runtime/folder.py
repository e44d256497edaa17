"""How large a folder is and when something in it was last written, from one walk that reads no file."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512  # what st_blocks counts in, whatever the file system's own blocks are


@dataclass(frozen=True)
class Folder:
    """``size`` in bytes that the disk has given, ``newest``: when a file was last written, in ns since 1970."""

    size: int = 0
    files: int = 0
    newest: int = 0


def scan(root: Path, *, quiet: Sequence[str] = (), lent: Collection[str] = ()) -> Folder:
    """Walk a folder. What disappears meanwhile is passed over; symbolic links are counted, not followed.

    Args:
        root: The folder.
        quiet: Patterns (``*.log``) of files whose writing is no sign of life.
        lent: Names of files directly in the folder that take no room of it when they have another name elsewhere.
    """
    size = files = newest = 0
    seen: set[tuple[int, int]] = set()
    for entry, top in _entries(root):
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if entry.is_dir(follow_symlinks=False):
            size += found.st_blocks * BLOCK
            continue
        files += 1
        if found.st_nlink > 1:
            known = (found.st_dev, found.st_ino) in seen or (top and entry.name in lent)
            seen.add((found.st_dev, found.st_ino))
        else:
            known = False
        size += 0 if known else found.st_blocks * BLOCK
        if found.st_mtime_ns > newest and not any(fnmatch.fnmatch(entry.name, pattern) for pattern in quiet):
            newest = found.st_mtime_ns
    return Folder(size, files, newest)


def _entries(root: Path) -> Iterator[tuple[os.DirEntry[str], bool]]:
    waiting = [str(root)]
    top = True
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield entry, top
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            pass  # removed, or closed to us
        top = False
