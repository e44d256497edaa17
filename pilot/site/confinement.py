"""What this process is confined to: its cgroups with their limits and controllers, a container, user namespaces."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Optional

from pilot.site.tree import Mount, Tree

#: A limit beyond this many bytes is none; cgroups of version 1 write a very large number for "no limit".
NO_LIMIT = 2**60


@dataclass(frozen=True)
class Cgroup:
    """The pilot's own control groups.

    ``version`` is 2, 1, or 0 where there are none; with both, the one that limits memory. ``path`` is the folder of
    that one. ``controllers`` are those of version 2 at hand there; ``delegated``: groups may be made below it.
    ``memory`` is the least limit from here up to the root in bytes, ``cores`` the share of processors; ``None``: none.
    """

    version: int = 0
    path: str = ""
    controllers: tuple[str, ...] = ()
    delegated: bool = False
    memory: Optional[int] = None
    cores: Optional[float] = None


@dataclass(frozen=True)
class Container:
    """The container that the pilot itself runs in: ``kind`` is "" for none; ``image`` where it is told."""

    kind: str = ""
    image: str = ""


def cgroup(tree: Tree) -> Cgroup:
    """Read the own groups, their limits and those of the groups above."""
    own = _own(tree)
    unified, limited = own.get(""), own.get("memory")
    found = unified or limited
    if found is None:
        return Cgroup()
    controllers: tuple[str, ...] = ()
    if unified is not None:
        controllers = tuple(tree.text(f"{unified.own}/cgroup.controllers").split())
    version = 1 if limited is not None and "memory" not in controllers else 2 if unified is not None else 1
    place = limited if version == 1 and limited is not None else found
    return Cgroup(
        version=version,
        path=place.own,
        controllers=controllers,
        delegated=unified is not None and _may_divide(tree, unified.own),
        memory=_least(tree, place, "memory.max" if version == 2 else "memory.limit_in_bytes"),
        cores=_cores(tree, unified, own.get("cpu")),
    )


@dataclass(frozen=True)
class _Place:
    """The own group's folder and those above it, up to where the hierarchy is mounted."""

    own: str
    mounted: str

    def upwards(self) -> tuple[str, ...]:
        path = PurePosixPath(self.own)
        return tuple(str(one) for one in (path, *path.parents) if one.is_relative_to(self.mounted))


def _own(tree: Tree) -> Mapping[str, _Place]:
    """Answer the own group by controller; "" is the one of version 2."""
    mounts = {name: mount for mount in tree.mounts() for name in _controllers_of(mount)}
    found: dict[str, _Place] = {}
    for line in tree.text("proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for name in controllers.split(","):
            if (mount := mounts.get(name)) is not None:
                found[name] = _Place(_below(mount, path), mount.point)
    return found


def _controllers_of(mount: Mount) -> tuple[str, ...]:
    if mount.kind == "cgroup2":
        return ("",)
    return mount.options if mount.kind == "cgroup" else ()


def _below(mount: Mount, path: str) -> str:
    """Answer the folder of a group; inside a container only a part of the hierarchy is seen."""
    inside = path[len(mount.root) :] if mount.root != "/" and path.startswith(mount.root) else path
    if mount.root != "/" and inside == path:
        inside = ""
    return str(PurePosixPath(mount.point) / inside.lstrip("/"))


def _may_divide(tree: Tree, folder: str) -> bool:
    return all(
        os.access(tree.path(one), os.W_OK)
        for one in (folder, f"{folder}/cgroup.procs", f"{folder}/cgroup.subtree_control")
    ) or (_is_root(folder) and os.access(tree.path(folder), os.W_OK))


def _is_root(folder: str) -> bool:
    # The root of all groups has no limits, and other files.
    return PurePosixPath(folder).name in ("cgroup", "unified")


def _least(tree: Tree, place: _Place, name: str) -> Optional[int]:
    limits = [limit for folder in place.upwards() if (limit := tree.whole(f"{folder}/{name}")) is not None]
    return min((limit for limit in limits if 0 <= limit < NO_LIMIT), default=None)


def _cores(tree: Tree, unified: Optional[_Place], cpu: Optional[_Place]) -> Optional[float]:
    shares: list[float] = []
    for folder in unified.upwards() if unified else ():
        shares += _share(*(tree.text(f"{folder}/cpu.max").split() or ["max", "1"])[:2])
    for folder in cpu.upwards() if cpu else ():
        shares += _share(tree.text(f"{folder}/cpu.cfs_quota_us"), tree.text(f"{folder}/cpu.cfs_period_us"))
    return min(shares, default=None)


def _share(quota: str, period: str) -> list[float]:
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return []
    return [round(share, 3)] if share > 0 else []


#: A file, or a variable, that tells of a container.
_FILES = (("singularity", ".singularity.d"), ("docker", ".dockerenv"), ("podman", "run/.containerenv"))
_IMAGES = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")


def container(tree: Tree, environment: Mapping[str, str]) -> Container:
    """Say which container this is, by the traces that each kind leaves."""
    image = next((environment[name] for name in _IMAGES if name in environment), "")
    if "APPTAINER_CONTAINER" in environment or "APPTAINER_NAME" in environment:
        return Container("apptainer", image)
    if "KUBERNETES_SERVICE_HOST" in environment:
        return Container("kubernetes", image)
    kind = next((kind for kind, name in _FILES if tree.path(name).exists()), environment.get("container", ""))
    return Container(kind, image)


def user_namespaces(tree: Tree) -> bool:
    """Whether a user without privileges may make user namespaces, which containers of such a user need."""
    most = tree.whole("proc/sys/user/max_user_namespaces")
    return (
        most != 0
        and (most is not None or Path(tree.path("proc/self/ns/user")).exists())
        and tree.whole("proc/sys/kernel/unprivileged_userns_clone") != 0
        and tree.whole("proc/sys/kernel/apparmor_restrict_unprivileged_userns") != 1
    )
