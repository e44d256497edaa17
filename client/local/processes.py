"""A process as something that can be found again: its number is not enough, numbers come round."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


def start_of(pid: int) -> float:
    """Answer when a process was started, in seconds since the machine was: a clock that nobody sets.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError as wrong:
        raise psutil.NoSuchProcess(pid) from wrong
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Identity:
    """A process that was seen alive; ``started`` in seconds since the machine was."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Identity:
        """Take the identity of a process that is alive.

        Raises:
            psutil.NoSuchProcess: it is not.
        """
        return cls(pid, start_of(pid))

    def process(self) -> psutil.Process | None:
        """Find the process again; ``None`` when it has ended, or its number is somebody else's now."""
        try:
            found = psutil.Process(self.pid)
            alive = found.status() != psutil.STATUS_ZOMBIE
            return found if alive and start_of(self.pid) == self.started else None
        except psutil.NoSuchProcess:
            return None

    def end(self, grace: float) -> bool:
        """Ask the process to end, and after ``grace`` seconds make it. Answer whether it went by itself."""
        for ask in (psutil.Process.terminate, psutil.Process.kill):
            process = self.process()
            if process is None:
                return True
            with suppress(psutil.NoSuchProcess):
                ask(process)
            if self.gone(grace):
                return ask is psutil.Process.terminate
        return False

    def gone(self, seconds: float) -> bool:
        """Wait until the process has ended, whether or not its parent has taken notice of it; answer whether it has."""
        if self.process() is None:
            return True
        try:
            door = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            return bool(select.select([door], [], [], seconds)[0])
        finally:
            os.close(door)
