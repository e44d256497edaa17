"""Wakes whoever waits for files to be written: the kernel's inotify, by its C functions."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path
from typing import Optional

#: From linux/inotify.h.
MODIFIED, MOVED_TO, CREATED = 0x2, 0x80, 0x100
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


class Noticing:
    """A descriptor that can be read when something has happened to what is watched; what, is not told.

    Where the kernel gives none, because so many are in use, `works` is false and all else does nothing.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._library.inotify_init1(_FLAGS)

    @property
    def works(self) -> bool:
        """Whether there is a descriptor to wait for."""
        return self._descriptor >= 0

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def watch(self, path: Path, events: int) -> Optional[int]:
        """Watch a file or a folder; answer the watch, or ``None`` when it cannot be watched."""
        if not self.works:
            return None
        found: int = self._library.inotify_add_watch(self._descriptor, os.fsencode(path), events)
        return found if found >= 0 else None

    def leave(self, watch: int) -> None:
        """Watch it no more."""
        self._library.inotify_rm_watch(self._descriptor, watch)  # of what was removed meanwhile there is none

    def drain(self) -> None:
        """Take all that was noticed."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._descriptor, 65536):
                pass

    def close(self) -> None:
        """Give the descriptor back."""
        if self.works:
            os.close(self._descriptor)
            self._descriptor = -1
