"""Ending the processes of a local job whose runner cannot do it any longer; they are known by a variable they carry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

#: Each process of a job has this variable in the environment that it was started with.
MARK = "COMPASS_BATCH_DIRECTORY"


def end(folder: Path) -> int:
    """Kill every process that was started for the job of this directory, and its runner; answer how many."""
    found = [*_marked(folder)]
    killed = 0
    for process in dict.fromkeys(found):
        try:
            process.kill()  # psutil sees to it that the pid is still that process's
            killed += 1
        except psutil.NoSuchProcess:
            continue
    return killed


def _marked(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder) or _runs(process, folder):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def _runs(process: psutil.Process, folder: Path) -> bool:
    """Say whether a process is the runner of the job."""
    words = process.cmdline()
    return str(folder) in words and any(word.endswith("/batch/runner.py") for word in words)
