"""What the worker node is: read from /proc, in well under a millisecond, without starting a program."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pilot.contract.named import NamedTuple


class Node(NamedTuple):
    """A machine as reports name it; ``memory`` in bytes, ``cores`` those that the pilot may use."""

    host: str
    cpu_model: str
    cpu_mhz: float
    memory: int
    cores: int


def describe(proc: Path = Path("/proc")) -> Node:
    """Describe this node. What cannot be read is 0, or "unknown" for the CPU's model."""
    cpu = _fields(proc / "cpuinfo", 4096)
    memory = _fields(proc / "meminfo", 1024).get("MemTotal", "0 kB").split()[0]
    return Node(
        host=os.uname().nodename,
        cpu_model=cpu.get("model name") or cpu.get("Model") or os.uname().machine or "unknown",
        cpu_mhz=_number(cpu.get("cpu MHz", "0")),
        memory=int(_number(memory)) * 1024,
        cores=len(os.sched_getaffinity(0)),
    )


def free_disk(path: Path) -> int:
    """Answer the bytes that a file below ``path`` could still take.

    Raises:
        OSError: there is no such path.
    """
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _fields(path: Path, most: int) -> dict[str, str]:
    """Read ``name : value`` lines from the beginning of a file; of a name that comes back, the first."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError), path.open("rb") as file:
        for line in file.read(most).decode("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
