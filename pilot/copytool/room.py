"""Room on the node's disks for what is about to be copied: promised to one job, it is not promised to another."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.site.node import free_disk


class Room:
    """What the jobs of one pilot have been promised. Other pilots on the disk are not known to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._promised: list[tuple[int, Mapping[Path, int]]] = []

    @contextlib.contextmanager
    def promised(self, folder: Path, files: Mapping[Path, int]) -> Iterator[None]:
        """Keep room for files that will lie in a folder, until they do; ``files`` are their paths and bytes.

        Raises:
            JobFailed: there is none (NO_LOCAL_SPACE).
        """
        needed = sum(files.values())
        if not needed:
            yield
            return
        promise = (_disk_of(folder), files)
        with self._lock:
            others = sum(_to_come(more) for disk, more in self._promised if disk == promise[0])
            free = free_on(folder)
            if needed > free - others:
                kept = f", of which {others} are kept for other jobs" if others else ""
                words = f"the inputs have {needed} bytes, {folder} has room for {free}{kept}"
                raise JobFailed(ErrorCode.NO_LOCAL_SPACE, words, needed=needed, free=max(0, free - others))
            self._promised.append(promise)
        try:
            yield
        finally:
            with self._lock:
                self._promised = [one for one in self._promised if one is not promise]


def free_on(folder: Path) -> int:
    """Answer the bytes that are free where a folder lies; 0 when nobody can tell."""
    with contextlib.suppress(OSError):
        return free_disk(folder)
    return 0


def _disk_of(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return folder.stat().st_dev
    return 0


def _to_come(files: Mapping[Path, int]) -> int:
    """Answer the bytes of files that are not there yet, also of those that have arrived in part."""
    return sum(max(0, size - _there(path)) for path, size in files.items())


def _there(path: Path) -> int:
    for name in (path, part_of(path)):
        with contextlib.suppress(OSError):
            return name.stat().st_size
    return 0


def part_of(path: Path) -> Path:
    """Answer the name of a file that is on its way."""
    return path.with_name(f"{path.name}.part")
