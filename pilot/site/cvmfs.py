"""The CVMFS repositories of the node, and whether one answers. A dead one hangs whoever touches it; not this pilot."""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import dataclass
from typing import Callable, Optional, TypeVar

from pilot.site.tree import Tree

T = TypeVar("T")
BASE = "/cvmfs"
#: The kinds under which the client's mounts are listed.
_KINDS = ("fuse", "fuse.cvmfs2", "cvmfs2")


@dataclass(frozen=True)
class Repository:
    """One repository. ``revision`` rises with each publication; ``None``: the client does not say, or not in time."""

    name: str
    mounted: bool
    revision: Optional[int] = None


def in_time(read: Callable[[], T], seconds: float) -> Optional[T]:
    """Answer what reading gives; ``None`` when it raises an OSError, or does not end in time.

    A thread that hangs in the kernel cannot be ended; it is left behind, and does not keep the process from ending.
    """
    answers: queue.Queue[Optional[T]] = queue.Queue()

    def run() -> None:
        try:
            answers.put(read())
        except OSError:
            answers.put(None)

    threading.Thread(target=run, name="cvmfs", daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return None


def _revision(path: str) -> Optional[int]:
    try:
        return int(os.getxattr(path, "user.revision"))
    except (OSError, ValueError):
        return None


def read(
    tree: Tree, *, within: float = 5.0, revision: Callable[[str], Optional[int]] = _revision
) -> tuple[Repository, ...]:
    """List what is mounted below /cvmfs, each asked for its revision for at most ``within`` seconds.

    Where repositories are mounted on demand, those that nobody has used yet are not there.
    """
    names = sorted(
        {
            mount.point[len(BASE) + 1 :]
            for mount in tree.mounts()
            if mount.point.startswith(f"{BASE}/") and (mount.kind in _KINDS or mount.source.startswith("cvmfs"))
        }
    )
    return tuple(Repository(name, True, in_time(lambda at=f"{BASE}/{name}": revision(at), within)) for name in names)  # type: ignore[misc]


def repository(
    tree: Tree, name: str, *, within: float = 20.0, revision: Callable[[str], Optional[int]] = _revision
) -> Repository:
    """Ask for one repository, which mounts it where that is done on demand.

    One that is not there, or that hangs, is answered as not mounted.
    """
    folder = tree.path(f"{BASE}/{name}")
    seen = in_time(lambda: any(True for _ in folder.iterdir()), within)
    if not seen:
        return Repository(name, False)
    return Repository(name, True, in_time(lambda: revision(str(folder)), within))
