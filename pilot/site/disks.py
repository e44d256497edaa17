"""The file systems that a pilot writes to: how large, how full, of which kind."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Callable

from pilot.site.tree import Mount, Tree


@dataclass(frozen=True)
class Disk:
    """The file system below a folder. ``size`` and ``free`` (for this user) in bytes; ``kind`` such as ``ext4``.

    ``inodes`` and ``inodes_free`` count files; 0 where the file system does not count them.
    """

    folder: str
    size: int
    free: int
    inodes: int
    inodes_free: int
    kind: str
    device: str
    mounted_at: str
    read_only: bool


def read(tree: Tree, folder: Path, *, ask: Callable[[Path], os.statvfs_result] = os.statvfs) -> Disk:
    """Describe the file system below ``folder``. It may hang when that is a network's, and the network hangs.

    Raises:
        OSError: there is no such folder.
    """
    found = ask(folder)
    mount = mount_of(folder, tree.mounts())
    return Disk(
        folder=str(folder),
        size=found.f_blocks * found.f_frsize,
        free=found.f_bavail * found.f_frsize,
        inodes=found.f_files,
        inodes_free=found.f_favail,
        kind=mount.kind,
        device=mount.source,
        mounted_at=mount.point,
        read_only=bool(found.f_flag & os.ST_RDONLY),
    )


def mount_of(folder: Path, mounts: tuple[Mount, ...]) -> Mount:
    """Answer the mount that holds a folder: the deepest one, and of two at one point the later one."""
    real = PurePosixPath(os.path.realpath(folder))
    best = Mount("", "", "", ())
    for mount in mounts:
        if real.is_relative_to(mount.point) and len(PurePosixPath(mount.point).parts) >= len(
            PurePosixPath(best.point).parts
        ):
            best = mount
    return best
