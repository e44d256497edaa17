"""Ending the processes of a local job whose runner cannot do it any longer; they are known by a variable they carry.

By the standard library alone: login nodes have nothing else.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

#: Each process of a job has this variable in the environment that it was started with.
MARK = "COMPASS_BATCH_DIRECTORY"
_PROC = Path("/proc")


def end(folder: Path) -> int:
    """Kill every process that was started for the job of this directory, and its runner; answer how many."""
    return sum(_end_one(int(each.name), folder) for each in _PROC.iterdir() if each.name.isdigit())


def _end_one(pid: int, folder: Path) -> bool:
    try:
        door = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # Looked at behind the open door, which is that process's for ever, whoever gets its number.
        if not _belongs(pid, folder):
            return False
        signal.pidfd_send_signal(door, signal.SIGKILL)
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False
    finally:
        os.close(door)
    return True


def _belongs(pid: int, folder: Path) -> bool:
    """Say whether a process was started for the job, or is its runner."""
    own = f"{MARK}={folder}".encode()
    if own in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
        return True
    words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    return os.fsencode(folder) in words and any(word.endswith(b"/batch/runner.py") for word in words)
