"""What the pilot knows of the node it runs on: processors, memory, disks, batch system, GPUs, CVMFS, network.

Public; semantic versioning. Everything is read when it is first asked for, and then kept: an `Environment` is the node
as it was. Sizes are bytes, times seconds. Nothing is sent, and no program is started except ``nvidia-smi``, on nodes
that have NVIDIA's driver and only when the GPUs are asked for.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

from pilot.settings import environment as own_environment
from pilot.site import batch, confinement, cpu, cvmfs, disks, gpus, memory, network, system
from pilot.site.batch import Batch
from pilot.site.confinement import Cgroup, Container
from pilot.site.cpu import Cpu
from pilot.site.cvmfs import Repository
from pilot.site.disks import Disk
from pilot.site.gpus import Gpu
from pilot.site.memory import Memory
from pilot.site.network import Network
from pilot.site.system import System
from pilot.site.tree import Tree

__all__ = [
    "Batch",
    "Cgroup",
    "Container",
    "Cpu",
    "Disk",
    "Environment",
    "Gpu",
    "Memory",
    "Network",
    "Repository",
    "System",
]

#: The parts of an `Environment`, in the order in which they are shown.
PARTS = (
    *("system", "cpu", "memory", "cgroup", "container", "user_namespaces"),
    *("disks", "batch", "gpus", "cvmfs", "network"),
)


class Environment:
    """One node, seen by one process.

    Args:
        folder: Where a pilot would work; its disk is described beside that of the temporary files.
        root: What to read below, for a test or for the files of another machine; ``/`` is this node.
        variables: The environment variables in which batch systems leave their words; the process's own.
        within: The longest that GPUs, or one repository, may keep somebody waiting, in seconds.
    """

    def __init__(
        self,
        folder: Optional[Path] = None,
        *,
        root: Path = Path("/"),
        variables: Optional[Mapping[str, str]] = None,
        within: float = 10.0,
    ) -> None:
        self._folder = Path() if folder is None else folder
        self._tree = Tree(root)
        self._variables = own_environment() if variables is None else variables
        self._within = within

    @cached_property
    def system(self) -> System:
        """Distribution, kernel, architecture."""
        return system.read(self._tree)

    @cached_property
    def cpu(self) -> Cpu:
        """Model, cores, level of the architecture."""
        return cpu.read(self._tree)

    @cached_property
    def memory(self) -> Memory:
        """Memory and swap of the node; what this process may take of it stands in `cgroup`."""
        return memory.read(self._tree)

    @cached_property
    def cgroup(self) -> Cgroup:
        """The own control groups, and the limits that they set."""
        return confinement.cgroup(self._tree)

    @cached_property
    def container(self) -> Container:
        """The container that this process runs in, if any."""
        return confinement.container(self._tree, self._variables)

    @cached_property
    def user_namespaces(self) -> bool:
        """Whether containers can be started here without privileges."""
        return confinement.user_namespaces(self._tree)

    @cached_property
    def disks(self) -> tuple[Disk, ...]:
        """The file systems of the work folder and of temporary files; one that cannot be asked is left out."""
        return tuple(self._disks())

    @cached_property
    def batch(self) -> Batch:
        """The batch job that this process is a part of."""
        return batch.read(self._variables)

    @cached_property
    def gpus(self) -> tuple[Gpu, ...]:
        """Every GPU of the node; may take up to ``within`` seconds."""
        return gpus.read(self._tree, within=self._within)

    @cached_property
    def cvmfs(self) -> tuple[Repository, ...]:
        """The CVMFS repositories that are mounted; may take up to ``within`` seconds for each that hangs."""
        return cvmfs.read(self._tree, within=self._within)

    @cached_property
    def network(self) -> Network:
        """Host name, interfaces, default route."""
        return network.read(self._tree)

    def repository(self, name: str) -> Repository:
        """Ask for one CVMFS repository, which mounts it where that is done on demand. Asked anew each time."""
        return cvmfs.repository(self._tree, name, within=self._within)

    def as_dict(self) -> dict[str, Any]:
        """Answer everything as plain values that JSON can hold; reads what was not read yet."""
        return {part: _plain(getattr(self, part)) for part in PARTS}

    def lines(self) -> Iterator[str]:
        """Write everything, one fact a line: ``cpu.model = AMD EPYC``."""
        for part, value in self.as_dict().items():
            yield from _lines(part, value)

    def _disks(self) -> Iterator[Disk]:
        temporary = Path(self._variables.get("TMPDIR") or tempfile.gettempdir())
        for folder in dict.fromkeys((self._folder.absolute(), temporary)):
            try:
                yield disks.read(self._tree, folder, ask=os.statvfs)
            except OSError:
                continue


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(one) for name, one in asdict(value).items()}
    return value


def _lines(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _lines(f"{name}.{key}", one)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for at, one in enumerate(value):
            yield from _lines(f"{name}.{at}", one)
    else:
        words = " ".join(map(str, value)) if isinstance(value, list) else value
        yield f"{name} = {words}"
