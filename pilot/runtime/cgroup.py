"""Cgroups of payloads: found, made, read and removed. Version 2 tracks and kills; memory by version 1 or 2, as found.

A payload's groups are called after its keeper, lie below the pilot's own, and are removed by the keeper. Groups that
keepers have left which were killed together with their pilots are ended and removed by the next pilot.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pilot.contract.named import NamedTuple
from pilot.runtime.processes import ZOMBIE
from pilot.runtime.processes import read as read_process

log = logging.getLogger(__name__)

#: What the names of our cgroups begin with; the keeper's process number follows.
PREFIX = "compass-"
#: Where the processes go that were in the pilot's own group, when it has to hand out controllers (version 2).
LEAF = PREFIX + "pilot"
#: Controllers that a payload's group of version 2 is to have.
WANTED = ("memory", "pids")

_V1_FILES = ("memory.oom_control", "memory.max_usage_in_bytes")
_V2_FILES = ("memory.events", "memory.peak")


class Groups(NamedTuple):
    """One payload's groups, as folders; "" is one that cannot be made here.

    ``early`` are entered before the payload's program runs, the others when it has run for a second: a move may take
    20 ms, which a short payload is spared. ``why`` says what stands against a limit of memory, "" when it is in force.
    """

    tracking: str = ""
    memory: str = ""
    processes: str = ""
    early: tuple[str, ...] = ()
    memory_version: int = 0
    why: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """Every folder, each once."""
        return tuple(dict.fromkeys(folder for folder in (self.tracking, self.memory, self.processes) if folder))

    @property
    def late(self) -> tuple[str, ...]:
        """Those that a payload may enter when it has run for a while."""
        return tuple(folder for folder in self.all if folder not in self.early)

    @property
    def accounts(self) -> tuple[str, ...]:
        """The files that tell at the end what memory the payload took and what the kernel did about it."""
        names = {1: _V1_FILES, 2: _V2_FILES}.get(self.memory_version, ())
        return tuple(f"{self.memory}/{name}" for name in names)


class MemoryUse(NamedTuple):
    """What the kernel counted: the most memory in bytes (0: not counted), and processes killed for want of it."""

    peak: int = 0
    kills: int = 0


def own_folders(groups: str, mounts: str) -> dict[str, str]:
    """Answer the own group's folder by controller, "" for version 2, from /proc/self/cgroup and /proc/self/mounts."""
    placed: dict[str, str] = {}
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        placed.update(dict.fromkeys(controllers.split(","), path.rstrip("/")))
    found: dict[str, str] = {}
    for line in mounts.splitlines():
        _, where, kind, options = line.split()[:4]
        names = {"cgroup": options.split(","), "cgroup2": [""]}.get(kind, [])
        for name in names:
            if name in placed:
                found.setdefault(name, where + placed[name])
    return found


def here() -> dict[str, str]:
    """Answer the pilot's own groups by controller; none where there are no cgroups."""
    try:
        return own_folders(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mounts").read_text())
    except (OSError, ValueError):
        return {}


def make(keeper: int, memory: int = 0, processes: int = 0) -> Groups:
    """Make the groups of the payload of one keeper, with limits in bytes and processes where these are not 0."""
    own, name = here(), f"/{PREFIX}{keeper}"
    unified = own.get("", "")
    if unified.endswith("/" + LEAF):  # this pilot has stepped aside before
        unified = unified[: -len("/" + LEAF)]
    if unified and (memory or processes) and not {"memory", "pids"} <= own.keys():
        hand_out(unified, WANTED)
    tracking, _ = _made(unified, name)
    groups = _with_memory(Groups(tracking=tracking), own, name, controllers(tracking), memory)
    groups = _with_processes(groups, own, name, processes)
    if groups.early:
        _awake(own)
    return groups


def _awake(own: Mapping[str, str]) -> None:
    """Move the pilot to where it is already, while its keeper's interpreter starts.

    The kernel takes 15 ms for the first move after a while, 2 ms for the next: the payload's, which is waited for.
    """
    for folder in list(own.values())[:1]:
        with contextlib.suppress(OSError):
            _write(folder, "cgroup.procs", 0)


def _with_memory(groups: Groups, own: Mapping[str, str], name: str, given: Sequence[str], limit: int) -> Groups:
    if "memory" in given:
        folder, version, why = groups.tracking, 2, ""
    else:
        version = 1
        folder, why = _made(own.get("memory", ""), name)
    if not folder:
        return groups._replace(why=why or "there is no memory controller")
    try:
        if limit:
            _limit_memory(folder, version, limit)
    except OSError as wrong:
        why = f"{folder}: {wrong.strerror}"
    early = (folder,) if limit and not why else ()
    return groups._replace(memory=folder, memory_version=version, early=early, why=why)


def _with_processes(groups: Groups, own: Mapping[str, str], name: str, limit: int) -> Groups:
    """A limit of the whole tree; that of ``ulimit -u`` would count what others run under the same user."""
    if not limit:
        return groups
    folder = groups.tracking if "pids" in controllers(groups.tracking) else _made(own.get("pids", ""), name)[0]
    if not folder:
        return groups
    try:
        _write(folder, "pids.max", limit)
    except OSError:
        return groups
    return groups._replace(processes=folder, early=tuple(dict.fromkeys((*groups.early, folder))))


def _made(parent: str, name: str) -> tuple[str, str]:
    """Make a folder below a group; answer it, or "" and why not."""
    if not parent:
        return "", ""
    try:
        Path(parent + name).mkdir()
    except OSError as wrong:
        return "", f"{parent}: {wrong.strerror}"
    remove_stale(parent)
    return parent + name, ""


def _write(folder: str, name: str, value: object) -> None:
    Path(folder, name).write_text(str(value))


def _limit_memory(folder: str, version: int, limit: int) -> None:
    """Set a limit that swap does not soften.

    ``memory.high`` stays as it is: it would let a payload crawl that can be told that it is too large.
    """
    if version == 1:
        _write(folder, "memory.limit_in_bytes", limit)
        with contextlib.suppress(OSError):  # a kernel may count no swap
            _write(folder, "memory.memsw.limit_in_bytes", limit)
        return
    _write(folder, "memory.max", limit)
    for name, value in (("memory.swap.max", 0), ("memory.oom.group", 1)):
        with contextlib.suppress(OSError):
            _write(folder, name, value)


def controllers(folder: str) -> tuple[str, ...]:
    """Answer the controllers that a group of version 2 has."""
    try:
        return tuple(Path(folder, "cgroup.controllers").read_text().split()) if folder else ()
    except OSError:
        return ()


def hand_out(folder: str, wanted: Iterable[str]) -> bool:
    """Let groups below ``folder`` have controllers; True when they now have all that there are of those wanted.

    The kernel lets a group either hold processes or hand out controllers. Where a batch system has made the pilot's
    group its own to divide, all that is in it, the pilot and who started it, moves one level down.
    """
    there = [name for name in wanted if name in controllers(folder)]
    words = " ".join(f"+{name}" for name in there)
    if not there or _handed_out(folder, words):
        return bool(there)
    try:
        leaf = Path(folder, LEAF)
        leaf.mkdir(exist_ok=True)
        for pid in Path(folder, "cgroup.procs").read_text().split():
            _write(str(leaf), "cgroup.procs", pid)
    except OSError:
        return False
    return _handed_out(folder, words)


def _handed_out(folder: str, words: str) -> bool:
    try:
        _write(folder, "cgroup.subtree_control", words)
    except OSError:
        return False
    return True


def use(files: Sequence[str], texts: Sequence[str]) -> MemoryUse:
    """Read what the files named by `Groups.accounts` have said; files of other versions are passed over."""
    said = {Path(file).name: text.split() for file, text in zip(files, texts)}
    kills = peak = 0
    for name in ("memory.oom_control", "memory.events"):
        words = said.get(name, [])
        kills = max(kills, _number(dict(zip(words[::2], words[1::2])).get("oom_kill", "")))
    for name in ("memory.max_usage_in_bytes", "memory.peak"):
        peak = max(peak, *(_number(word) for word in said.get(name, [])), 0)
    return MemoryUse(peak, kills)


def _number(word: str) -> int:
    return int(word) if word.isdigit() else 0


def read(files: Iterable[str]) -> list[str]:
    """Read some files; "" is one that cannot be read."""
    texts = []
    for file in files:
        try:
            texts.append(Path(file).read_text())
        except OSError:
            texts.append("")
    return texts


def members(folders: Iterable[str]) -> set[int]:
    """Answer the processes in groups, and in groups below these (a container may make its own)."""
    found: set[int] = set()
    for folder in folders:
        for place, _, _ in os.walk(folder):
            with contextlib.suppress(OSError):
                found.update(int(line) for line in Path(place, "cgroup.procs").read_text().split())
    return found


def kill(folder: str) -> None:
    """Kill everything in a group of version 2 at one stroke, where the kernel (5.14) can."""
    if folder:
        with contextlib.suppress(OSError):
            _write(folder, "cgroup.kill", 1)


def remove(folders: Iterable[str]) -> None:
    """Remove groups and what is below them; one in which something still runs is left."""
    for folder in folders:
        for place, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):
                Path(place).rmdir()


def remove_stale(parent: str) -> None:
    """End and remove what keepers have left that were killed together with their pilots.

    Groups whose processes have not ended yet are removed the next time.
    """
    with contextlib.suppress(OSError):
        for folder in Path(parent).glob(f"{PREFIX}*"):
            keeper = folder.name[len(PREFIX) :]
            if keeper.isdigit() and ((one := read_process(int(keeper))) is None or one.state in ZOMBIE):
                _end_orphans(str(folder))
                remove([str(folder)])


def _end_orphans(folder: str) -> None:
    """Kill the processes of a dead keeper's group: of one that was seen to be dead, not of one that we cannot see.

    Where a process is in another PID namespace, its keeper may be, too, and live there by another number.
    """
    left = members([folder])
    if left and all(_is_beside_us(pid) for pid in left):
        log.warning("%d processes that a dead pilot's payload left are killed: %s", len(left), folder)
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _is_beside_us(pid: int) -> bool:
    try:  # one that we cannot see has the number 0 in the list
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")  # noqa: PTH115  # is no path
    except OSError:
        return False
