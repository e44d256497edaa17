"""Whether a folder is there, asked of file systems that may hang: nobody waits longer than some seconds for one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

#: Seconds; a form is checked while it is filled in.
PATIENCE = 2.0
#: Looks that go on at a time: one that hangs stays until its file system answers, and no more than these do.
_LOOKS = threading.BoundedSemaphore(4)


def is_folder(path: str, *, look: Callable[[str], bool] = os.path.isdir, patience: float = PATIENCE) -> bool | None:
    """Say whether a folder is there; ``None``: its file system did not answer in time (seconds)."""
    if not _LOOKS.acquire(timeout=patience):
        return None
    answer = SimpleQueue[bool]()

    def ask() -> None:
        try:
            answer.put(look(path))
        finally:
            _LOOKS.release()

    threading.Thread(target=ask, name=f"look at {path}"[:60], daemon=True).start()
    try:
        return answer.get(timeout=patience)
    except Empty:
        return None
