"""Who a process is: a pid alone is used again, so boot, process namespace and start time are part of its name."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessName:
    """A process of one machine, for ever: no other one has or will have the same name."""

    machine: str  # host, boot and process namespace
    pid: int
    started: int  # clock ticks since the boot

    def __str__(self) -> str:
        return f"{self.machine}|{self.pid}|{self.started}"

    @classmethod
    def parse(cls, text: str) -> ProcessName | None:
        """Read what ``str()`` wrote; nothing for other text."""
        machine, pid, started = [*text.rsplit("|", 2), "", ""][:3]
        return cls(machine, int(pid), int(started)) if pid.isdigit() and started.isdigit() else None


def machine() -> str:
    """Name this machine since its boot, as the processes here see it."""
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
    namespace = (_PROC / "self/ns/pid").readlink().name.strip("pid:[]")
    return f"{socket.gethostname()}|{boot}-{namespace}"


def name_of(pid: int) -> ProcessName | None:
    """Name a living process; nothing if there is none, or only a zombie."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses, and may hold anything.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else ProcessName(machine(), pid, int(rest[18]))


def own_name() -> ProcessName:
    """Name the process that asks.

    Raises:
        ProcessLookupError: there is no /proc of this process namespace.
    """
    name = name_of(os.getpid())
    if name is None:
        raise ProcessLookupError("/proc does not show the process that asks")
    return name


def is_alive(name: ProcessName) -> bool:
    """Say whether a process of this machine lives."""
    return name_of(name.pid) == name


def is_dead(text: str) -> bool:
    """Say whether the process of that name is certainly gone. Of another machine, or another boot, one cannot know."""
    name = ProcessName.parse(text)
    return name is not None and name.machine == machine() and not is_alive(name)
