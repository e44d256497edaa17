"""Reads a tree of processes from /proc in one pass: who belongs to it, what it has used. Starts and ends nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from pilot.contract.named import NamedTuple

#: Clock ticks per second, and bytes per page, as this kernel counts them.
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = "/proc"

#: States of a process that has ended and is not collected yet, and of one that was stopped.
ZOMBIE, STOPPED = "ZX", "Tt"
_LONGEST = 65536


class Process(NamedTuple):
    """One line of /proc/PID/stat. Times are seconds, sizes bytes.

    ``user`` and ``system`` hold the time of the children that it has collected, too.
    """

    pid: int
    parent: int
    state: str
    user: float
    system: float
    threads: int
    started: float  # since the machine's start
    vmem: int
    rss: int


class Root(NamedTuple):
    """Where a tree hangs: the process that it begins with, and the cgroup of its members, if any.

    ``counted``: the process is one of the tree itself; else it only started it, as a keeper does.
    """

    pid: int
    cgroup: str = ""
    counted: bool = False


class Tree(NamedTuple):
    """What hangs on a root. ``user`` and ``system`` are the seconds of all, those that have ended included.

    ``age`` is the seconds since the root's process began, 0 when that is gone.
    """

    processes: tuple[Process, ...] = ()
    user: float = 0.0
    system: float = 0.0
    age: float = 0.0

    @property
    def cpu_time(self) -> float:
        """Answer the seconds of processor time."""
        return self.user + self.system

    @property
    def zombies(self) -> int:
        """Answer how many have ended and are not collected."""
        return sum(one.state in ZOMBIE for one in self.processes)

    @property
    def stopped(self) -> bool:
        """Say whether everything in it was stopped, by SIGSTOP for instance."""
        alive = [one.state for one in self.processes if one.state not in ZOMBIE]
        return bool(alive) and all(state in STOPPED for state in alive)

    @property
    def rss(self) -> int:
        """Answer the resident bytes; memory that is shared counts for each who shares it."""
        return sum(one.rss for one in self.processes)


def read_bytes(path: str) -> bytes:
    """Read a small file of the kernel with three calls; what a file object costs would be half of every look.

    Raises:
        OSError: it cannot be read, most often because the process has ended.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST)
    finally:
        os.close(descriptor)


def read(pid: int, proc: str = PROC) -> Optional[Process]:
    """Read one process; ``None`` when it is gone."""
    try:
        words = read_bytes(f"{proc}/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None
    if len(words) < 22:  # it ended while it was read
        return None
    return Process(
        pid=pid,
        parent=int(words[1]),
        state=words[0].decode("ascii"),
        user=(int(words[11]) + int(words[13])) / TICKS,
        system=(int(words[12]) + int(words[14])) / TICKS,
        threads=int(words[17]),
        started=int(words[19]) / TICKS,
        vmem=int(words[20]),
        rss=int(words[21]) * PAGE,
    )


def members(cgroup: str) -> Iterator[int]:
    """Answer the living processes of a cgroup and of those below it, which a container's runtime may have made.

    One that is moved meanwhile may be answered twice.
    """
    for folder, _, files in os.walk(cgroup):
        if "cgroup.procs" in files:
            try:
                yield from map(int, (Path(folder) / "cgroup.procs").read_bytes().split())
            except OSError:
                continue  # removed meanwhile


def tree(root: Root, proc: str = PROC) -> Tree:
    """Read everything that hangs on a root; nothing of it is left out because of its user or its name.

    Every process of the node is asked for its parent. A cgroup adds what has another parent; alone it would not do: it
    tells of no zombie, and a container's runtime may move what it starts elsewhere.
    """
    first = read(root.pid, proc)
    found = {one.pid: one for one in _below(root.pid, proc)}
    for pid in set(members(root.cgroup) if root.cgroup else ()) - found.keys() - {root.pid}:
        if (one := read(pid, proc)) is not None:
            found[pid] = one
    below = list(found.values())
    # What nobody else collects is collected by the root, so its children's time is the tree's.
    every = [first, *below] if first is not None else below
    return Tree(
        processes=tuple(every if root.counted else below),
        user=sum(one.user for one in every),
        system=sum(one.system for one in every),
        age=time.clock_gettime(time.CLOCK_BOOTTIME) - first.started if first is not None else 0.0,
    )


def _below(root: int, proc: str) -> list[Process]:
    names = os.listdir(proc)  # noqa: PTH208  # a path for each process of the node would cost more than reading it
    every = {one.pid: one for one in (read(int(name), proc) for name in names if name.isdigit()) if one}
    children: dict[int, list[int]] = {}
    for one in every.values():
        children.setdefault(one.parent, []).append(one.pid)
    found: list[Process] = []
    waiting = list(children.get(root, ()))
    while waiting:
        pid = waiting.pop()
        found.append(every[pid])
        waiting.extend(children.get(pid, ()))
    return found


def describe(pid: int, proc: str = PROC) -> str:
    """Say in a few lines what a process is doing and where the kernel has it, as far as this may be read."""
    lines = [f"process {pid}"]
    for name in ("cmdline", "wchan", "stack", "status"):
        try:
            text = read_bytes(f"{proc}/{pid}/{name}").decode("utf-8", "replace").replace("\0", " ").strip()
        except OSError as wrong:
            lines.append(f"  {name}: {wrong.strerror}")
            continue
        if name == "status":
            told = [line for line in text.splitlines() if line.partition(":")[0] in _TOLD]
            text = ", ".join(" ".join(line.split()) for line in told)
        lines += [f"  {name}: {line}" for line in text.splitlines()[:20]]
    return "\n".join(lines)


_TOLD = frozenset({"Name", "State", "PPid", "Threads", "VmRSS", "VmSwap", "voluntary_ctxt_switches"})
